import type { Run } from '../src/coordinator/run.js'
import type { RunStatus } from '../src/coordinator/run-status.js'
import { type MemoryAdapter, memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import type { PortCall } from '../src/memory/memory-faults.js'
import { seededRandom } from '../src/memory/seeded-random.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { SimulatedProcess } from '../src/memory/simulated-process.js'
import type { InboxMessage } from '../src/ports/inbox.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import type { Offer } from '../src/protocol/task.js'
import type { Worker } from '../src/worker/start-worker.js'
import type { AppendCall } from './evidence.js'
import type { fates, Plan } from './fleet-plan.js'
import { violations } from './invariants.js'
import { readHistory } from './log-history.js'

export const runId = 'fleet' as RunId

/** One process of the fleet. */
export interface Member {
  readonly role: 'coordinator' | 'worker' | 'outside'
  readonly runtime: SimulatedProcess
  readonly adapter: MemoryAdapter
  readonly random: () => number
  run?: Run
  worker?: Worker
}

interface Wait {
  readonly what: string
  readonly by: SimulatedProcess
  until: number
  settled: boolean
}

/** Whatever a promise of the library may take, faults included. Milliseconds. */
const waitMaxMs = 5 * 60_000

/** A fleet over one backend whose every call can go wrong, with everything that the invariants look at. */
export class FleetSimulation {
  readonly clock: SimulatedClock
  readonly backend = new MemoryBackend()
  readonly members: Member[] = []
  readonly outside: Member
  /** Receipts that workers have sent, to be forged and repeated. */
  readonly receipts: InboxMessage[] = []
  /** What no invariant names: untyped errors, and effects before their commit. */
  readonly problems: string[] = []
  private readonly faults: { role: string; after: number; fate: (typeof fates)[number] }[] = []
  private readonly appends: AppendCall[] = []
  private readonly told = new Map<number, RunStatus>()
  private readonly waits: Wait[] = []
  private linesBefore: readonly string[] = []
  private calm = false

  constructor(readonly plan: Plan) {
    this.clock = new SimulatedClock({ seed: plan.seed })
    this.backend.intercept = (call) => this.fateOf(call)
    if (plan.reorder) this.backend.choose = (count) => Math.floor(this.clock.random() * count)
    this.outside = this.join('outside')
  }

  join(role: Member['role']): Member {
    const runtime = this.clock.process()
    const adapter = memoryAdapter({ backend: this.backend, runtime })
    const member: Member = { role, runtime, adapter, random: seededRandom(this.plan.seed, runtime.pid) }
    this.members.push(member)
    if (role === 'coordinator') this.watchCoordinator(member)
    return member
  }

  /** Members of a role that are not dead. */
  alive(role: Member['role'], state?: SimulatedProcess['state']): Member[] {
    return this.members.filter(
      (one) =>
        one.role === role && one.runtime.state !== 'dead' && (state === undefined || one.runtime.state === state),
    )
  }

  addFault(role: 'coordinator' | 'worker', after: number, fate: (typeof fates)[number]): void {
    this.faults.push({ role, after, fate })
  }

  /** From now on nothing goes wrong any more. */
  stopFaults(): void {
    this.calm = true
    this.faults.length = 0
    this.backend.choose = null
    for (const { runtime } of this.members) this.continue(runtime)
  }

  continue(runtime: SimulatedProcess): void {
    runtime.resume()
    for (const wait of this.waits)
      if (wait.by === runtime) wait.until = Math.max(wait.until, this.clock.now() + waitMaxMs)
  }

  /** Moves the wall clock alone: what waits keeps the time it has left. */
  stepClock(ms: number): void {
    this.clock.step(ms)
    for (const wait of this.waits) wait.until += ms
  }

  /** Remembers that a promise of the library has to settle in time, and with nothing but a typed error. */
  async expect<T>(member: Member, what: string, promise: Promise<T>): Promise<T | null> {
    const wait: Wait = { what, by: member.runtime, until: this.clock.now() + waitMaxMs, settled: false }
    this.waits.push(wait)
    try {
      return await promise
    } catch (error) {
      if (!isRepriseError(error)) this.problems.push(`${what} failed with ${(error as Error)?.stack ?? error}`)
      return null
    } finally {
      wait.settled = true
    }
  }

  /** Everything that is wrong with what can be seen now. */
  check(): string[] {
    const lines = this.backend.recordsOf(runId).map(({ text }) => text)
    const evidence = {
      ...{ lines, linesBefore: this.linesBefore, appends: this.appends, now: this.clock.now() },
      snapshot: this.backend.snapshots.get(runId),
      offers: [...this.backend.lanes.attempts.values()].map(({ offer }) => offer),
      told: [...this.told.values()],
      waits: this.waits.filter(({ by }) => by.state === 'running'),
    }
    const found = [...violations(evidence), ...this.problems]
    this.linesBefore = lines
    return found
  }

  /** Whether the log says so, at this very moment. */
  isDispatched({ digest }: Pick<Offer, 'digest'>): boolean {
    return this.backend.recordsOf(runId).some(({ text }) => text.includes(`"digest":"${digest}"`))
  }

  /** What the log says is out must be where workers find it, once a coordinator holds the run. */
  expectOffered(run: Run): void {
    const offered = new Set([...this.backend.lanes.attempts.values()].map(({ offer }) => offer.digest))
    const { facts } = readHistory(this.backend.recordsOf(runId).map(({ text }) => text))
    for (const { taskId, attempt, digest } of facts.open.values()) {
      if (!run.signal.aborted && !offered.has(digest))
        this.problems.push(`${taskId}/${attempt} is out and was not offered`)
    }
  }

  tell(status: RunStatus): void {
    this.told.set(status.version, status)
    const durable = this.backend.recordsOf(runId).some(({ text }) => text.includes(`,"version":${status.version},`))
    if (!durable) this.problems.push(`version ${status.version} was told before it was durable`)
  }

  private watchCoordinator({ runtime, adapter }: Member): void {
    const { append } = adapter.log
    adapter.log.append = async (id, record) => {
      const { index, hash } = record
      const call: AppendCall = { by: `${runtime.pid} ${index}`, index, hash, ended: null }
      this.appends.push(call)
      try {
        await append(id, record)
        call.ended = 'committed'
      } catch (error) {
        call.ended = isRepriseError(error, 'VERSION_CONFLICT') ? 'conflict' : 'unknown'
        throw error
      }
    }
    const { offer } = adapter.queue
    adapter.queue.offer = (offers) => {
      for (const one of offers) {
        if (!this.isDispatched(one))
          this.problems.push(`${one.taskId}/${one.attempt} was offered before it was durable`)
      }
      return offer(offers)
    }
  }

  private fateOf(call: PortCall): ReturnType<MemoryBackend['intercept']> {
    const member = this.members.find(({ runtime }) => runtime.pid === call.pid)
    if (call.method === 'send' && call.phase === 'after' && member?.role === 'worker') this.keepReceipts()
    if (this.calm || member === undefined) return 'go'
    const fault = this.faults.find(({ role }) => role === member.role)
    if (fault === undefined || fault.after-- > 0) return this.plan.slow ? this.later(member, 20) : 'go'
    this.faults.splice(this.faults.indexOf(fault), 1)
    switch (fault.fate) {
      case 'fail':
      case 'kill':
        return fault.fate
      case 'hang':
      case 'delay':
        // Calls end by the adapter's own deadline; an append is watched by the coordinator as well.
        if (fault.fate === 'hang' && call.method === 'append') return new Promise(() => {})
        return this.later(member, 40_000)
    }
  }

  private async later({ random }: Member, ms: number): Promise<'go'> {
    await this.outside.runtime.sleep(Math.floor(random() * ms))
    return 'go'
  }

  private keepReceipts(): void {
    for (const message of this.backend.messagesOf(runId)) {
      if (message.kind === 'receipt' && !this.receipts.includes(message)) this.receipts.push(message)
    }
  }
}
