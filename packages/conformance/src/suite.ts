import type { Adapter } from '@reprise/core/adapter'
import type { AdapterUnderTest, Capabilities, MortalAdapter, TestFunctions, TestStorage } from './harness.js'

/** What a single test works with. */
export interface Scenario {
  /** Opens an adapter over this test's storage. It is closed after the test. */
  open(): Promise<Adapter>
  openMortal(): Promise<MortalAdapter>
}

/** What the files of the suite are written against. */
export interface Suite {
  describe: TestFunctions['describe']
  expect: TestFunctions['expect']
  it(name: string, body: (scenario: Scenario) => Promise<void>): void
  readonly capabilities: Capabilities
  /** Life of a lease or claim that the test expects to run out. */
  readonly ttlMs: number
  /** Life of a lease or claim that must not run out during the test. */
  readonly longTtlMs: number
}

const testTimeoutMs = 60_000

export function suiteOf<Storage extends TestStorage>(subject: AdapterUnderTest<Storage>, test: TestFunctions): Suite {
  return {
    describe: (name, body) => test.describe(name, body),
    expect: (actual) => test.expect(actual),
    it: (name, body) => test.it(name, () => play(subject, body), testTimeoutMs),
    capabilities: subject.capabilities,
    ttlMs: subject.ttlMs ?? 500,
    longTtlMs: 2 * testTimeoutMs,
  }
}

async function play<Storage extends TestStorage>(
  subject: AdapterUnderTest<Storage>,
  body: (scenario: Scenario) => Promise<void>,
): Promise<void> {
  const storage = await subject.create()
  const opened: Adapter[] = []
  const mortals: MortalAdapter[] = []
  const open = async (): Promise<Adapter> => {
    const adapter = await storage.open()
    opened.push(adapter)
    return adapter
  }
  const openMortal = async (): Promise<MortalAdapter> => {
    const mortal = await storage.openMortal()
    mortals.push(mortal)
    return mortal
  }
  try {
    await body({ open, openMortal })
  } finally {
    await Promise.all([...opened.map((adapter) => adapter.close()), ...mortals.map((mortal) => mortal.kill())])
    await subject.teardown(storage)
  }
}
