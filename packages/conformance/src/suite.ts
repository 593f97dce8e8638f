import type { Adapter } from '@reprise/core/adapter'
import type { AdapterUnderTest, Capabilities, MortalAdapter, TestFunctions, TestStorage } from './harness.js'
import { Pace } from './pace.js'

/** What a single test works with. */
export interface Scenario {
  /** Opens an adapter over this test's storage. It is closed after the test. */
  open(): Promise<Adapter>
  openMortal(): Promise<MortalAdapter>
}

export interface TimedScenario extends Scenario {
  /** Life of the claims and leases of this scenario. */
  readonly ttlMs: number
}

/** What the files of the suite are written against. */
export interface Suite {
  describe: TestFunctions['describe']
  expect: TestFunctions['expect']
  it(name: string, body: (scenario: Scenario) => Promise<void>): void
  /**
   * As `it`, for what is promised only while claims and leases of `ttlMs` are renewed in time. If anybody who takes part
   * stood still for a quarter of that, the scenario did not take place: whatever was seen, good or bad, is no verdict,
   * and it is set up anew with twice the time.
   */
  itInTime(name: string, body: (scenario: TimedScenario) => Promise<void>): void
  readonly capabilities: Capabilities
  /** Life of a lease or claim that the test expects to run out. */
  readonly ttlMs: number
  /** Life of a lease or claim that must not run out during the test. */
  readonly longTtlMs: number
}

const testTimeoutMs = 180_000
/** Several scenarios, each longer than the one before. */
const timedTestTimeoutMs = 600_000
const ttlDefaultMs = 500
/** With so much time a scenario is judged in any case. */
const ttlMaxMs = 8_000

export function suiteOf<Storage extends TestStorage>(subject: AdapterUnderTest<Storage>, test: TestFunctions): Suite {
  return {
    describe: (name, body) => test.describe(name, body),
    expect: (actual) => test.expect(actual),
    it: (name, body) => test.it(name, () => play(subject, body), testTimeoutMs),
    itInTime: (name, body) => test.it(name, () => playInTime(subject, body), timedTestTimeoutMs),
    capabilities: subject.capabilities,
    ttlMs: subject.ttlMs ?? ttlDefaultMs,
    longTtlMs: 2 * testTimeoutMs,
  }
}

async function playInTime<Storage extends TestStorage>(
  subject: AdapterUnderTest<Storage>,
  body: (scenario: TimedScenario) => Promise<void>,
): Promise<void> {
  for (let ttlMs = subject.ttlMs ?? ttlDefaultMs; ; ttlMs *= 2) {
    const pace = new Pace()
    const [verdict] = await Promise.allSettled([play(subject, (scenario) => body({ ...scenario, ttlMs }), pace)])
    // Renewed every third of its time at the latest: with a quarter lost on the way there and another one back, in time.
    if (pace.stillMs > ttlMs / 4 && ttlMs < ttlMaxMs) continue
    if (verdict.status === 'rejected') throw verdict.reason
    return
  }
}

async function play<Storage extends TestStorage>(
  subject: AdapterUnderTest<Storage>,
  body: (scenario: Scenario) => Promise<void>,
  pace: Pace | null = null,
): Promise<void> {
  const storage = await subject.create()
  const opened: Adapter[] = []
  const mortals: MortalAdapter[] = []
  const stops: (() => void)[] = []
  const follow = (adapter: Adapter): (() => void) => {
    const stop = pace?.follow(adapter) ?? (() => {})
    stops.push(stop)
    return stop
  }
  const open = async (): Promise<Adapter> => {
    const adapter = await storage.open()
    opened.push(adapter)
    follow(adapter)
    return adapter
  }
  const openMortal = async (): Promise<MortalAdapter> => {
    const mortal = await storage.openMortal()
    mortals.push(mortal)
    const stop = follow(mortal.adapter)
    const kill = (): Promise<void> => {
      stop()
      return mortal.kill()
    }
    return { adapter: mortal.adapter, kill }
  }
  try {
    await body({ open, openMortal })
  } finally {
    for (const stop of stops) stop()
    await Promise.all([...opened.map((adapter) => adapter.close()), ...mortals.map((mortal) => mortal.kill())])
    await subject.teardown(storage)
  }
}
