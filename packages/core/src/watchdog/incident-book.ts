import type { Run } from '../coordinator/run.js'
import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'
import type { TaskRequest } from '../protocol/task.js'
import { isoTime } from '../protocol/time.js'
import { isOver } from './find-facts.js'
import {
  describeFact,
  factKey,
  factKeyOf,
  type Incident,
  type IncidentFact,
  incidentTask,
  keyOfTime,
} from './incident.js'
import type { Look } from './lookout.js'

/** Incidents that are not told yet, at most; others are found again in later looks. */
const openMax = 1_000

export interface IncidentBookOptions {
  readonly run: Run
  readonly lane: string
  readonly runtime: Runtime
  readonly notifyTimeoutMs: number
  readonly onRaised: (incident: Incident) => void
  readonly onTold: (incident: Incident) => void
  readonly onOver: (incident: Incident) => void
  readonly onError: (error: unknown) => void
}

/**
 * Which incidents were found and told: the tasks of the watchdog's own run. That a task is accepted once is that an
 * incident is told once, whoever watches and however often it is started.
 */
export class IncidentBook {
  /** Not told yet, by the key of their fact. */
  readonly #open = new Map<string, Incident>()
  #settling: Promise<void> | null = null

  private constructor(private readonly options: IncidentBookOptions) {}

  /** Takes up what an earlier watchdog has found and not told. */
  static async open(options: IncidentBookOptions): Promise<IncidentBook> {
    const book = new IncidentBook(options)
    const { out, planned, received, stopped } = await options.run.view()
    for (const { input } of [...out, ...planned, ...received, ...stopped]) {
      const incident = input as unknown as Incident
      book.#open.set(factKey(incident), incident)
    }
    // Whatever is durable may be something to settle.
    options.run.on('commit', () => book.#settle())
    book.#settle()
    return book
  }

  /** Raises what is new, and takes back what is over and not told. */
  async enter(looks: readonly Look[]): Promise<void> {
    await this.#takeBack(looks)
    await this.#raise(looks.flatMap(({ facts }) => facts))
    this.#settle()
  }

  async #takeBack(looks: readonly Look[]): Promise<void> {
    const { run, onOver } = this.options
    const sights = new Map(looks.map(({ sight }) => [sight.runId, sight]))
    const over = [...this.#open].filter(([, incident]) => {
      const sight = sights.get(incident.runId)
      return sight !== undefined && isOver(incident, sight)
    })
    if (over.length === 0) return
    const reason = 'it was over before it was told'
    // Asked when what is under way is durable: what was told in this very moment is accepted, and not told another time.
    const received = new Set((await run.view()).received.map(({ taskId }) => taskId))
    // At once: they share a commit.
    const cancelling = over.map(async ([factsKey, incident]) => {
      if (received.has(incident.key) || !this.#open.has(factsKey)) return
      const answer = await run.execute({ type: 'cancel', taskId: incident.key, reason })
      if (!answer.ok && answer.code !== 'TASK_SETTLED') return
      this.#open.delete(factsKey)
      // Or else it was told in this very moment.
      if (answer.ok) onOver(incident)
    })
    await Promise.all(cancelling)
  }

  async #raise(facts: readonly IncidentFact[]): Promise<void> {
    const { run, onRaised } = this.options
    const found = (await this.#whatIsNew(facts)).flatMap((incident) => this.#withTask(incident))
    const raised = found.slice(0, Math.max(0, openMax - this.#open.size))
    if (raised.length === 0) return
    for (const { incident } of raised) this.#open.set(factKey(incident), incident)
    try {
      await run.dispatch(raised.map(({ task }) => task))
    } catch (error) {
      // They are found again, unless they are in the log.
      for (const { incident } of raised) this.#open.delete(factKey(incident))
      throw error
    }
    for (const { incident } of raised) onRaised(incident)
  }

  /** Facts that the log does not know, as incidents. */
  async #whatIsNew(facts: readonly IncidentFact[]): Promise<Incident[]> {
    const { run, runtime } = this.options
    const unknown = new Map(facts.map((fact) => [factKey(fact), fact]))
    for (const key of this.#open.keys()) unknown.delete(key)
    const foundAt = isoTime(runtime.now())
    const incidents: Incident[] = []
    for (let time = 1; unknown.size > 0; time++) {
      const outcomes = await run.outcomes([...unknown.keys()].map((key) => keyOfTime(key, time)))
      for (const [factsKey, fact] of unknown) {
        const key = keyOfTime(factsKey, time)
        const outcome = outcomes.get(key)
        // Untold before: it is another incident now.
        if (outcome === 'cancelled') continue
        unknown.delete(factsKey)
        if (outcome !== undefined) continue
        incidents.push({ ...fact, key, foundAt, message: describeFact(fact) } as Incident)
      }
    }
    return incidents
  }

  /** None for what no task can hold: a log by another hand may name things as it likes, and must not silence the others. */
  #withTask(incident: Incident): { incident: Incident; task: TaskRequest }[] {
    const { lane, notifyTimeoutMs, onError } = this.options
    try {
      return [{ incident, task: incidentTask.task(incident.key, incident, { lane, timeoutMs: notifyTimeoutMs }) }]
    } catch (error) {
      onError(error)
      return []
    }
  }

  #settle(): void {
    this.#settling ??= this.#settleAll()
      .catch((error: unknown) => {
        // The run has ended here, and says so itself.
        if (!this.options.run.signal.aborted) this.options.onError(error)
      })
      .finally(() => {
        this.#settling = null
      })
  }

  async #settleAll(): Promise<void> {
    const { run, onTold, onError } = this.options
    for await (const result of run.results()) {
      const factsKey = factKeyOf(result.taskId)
      const incident = this.#open.get(factsKey)
      if (result.status === 'stopped') {
        const reason = result.reason ?? 'no attempt is left'
        await result.abandon(reason)
        onError(givenUp(result.taskId, reason))
      } else {
        await result.accept()
        if (incident !== undefined) onTold(incident)
      }
      this.#open.delete(factsKey)
    }
  }
}

const givenUp = (key: string, reason: string): RepriseError =>
  new RepriseError(
    'ATTEMPTS_EXHAUSTED',
    `Incident ${key} was never told: ${reason}. It is not tried again. Mend the notification; incidents found later are told by it.`,
    { details: { key } },
  )
