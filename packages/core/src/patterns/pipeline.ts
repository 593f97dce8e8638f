import type { Run } from '../coordinator/run.js'
import type { Settlement } from '../coordinator/settlements.js'
import type { TaskResult } from '../coordinator/task-result.js'
import type { RoundCommand } from '../protocol/commands.js'
import { RepriseError } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import type { JsonValue } from '../protocol/json.js'
import type { Receipt } from '../protocol/receipt.js'
import type { TaskRequest } from '../protocol/task.js'
import { isOvertaken, type PatternOptions, refusalError, settleResult, type Verdict } from './judge.js'
import { Moves } from './moves.js'
import { type Line, layLines } from './pipeline-lines.js'
import { inLogOrder } from './settlement-details.js'
import { TaskFollower } from './task-follower.js'

/** What a stage makes its task from. */
export interface StageInput<Item> {
  /** The id that the task must have: it names the item and the stage, so that it is found again. */
  readonly taskId: string
  readonly item: Item
  /** What the stage before returned; `null` for the first. */
  readonly output: JsonValue
  /** The receipt of the stage before, with its artifacts; `null` for the first. */
  readonly receipt: Receipt | null
}

/** One step of a pipeline. */
export interface Stage<Item> {
  /** Unique in its pipeline: letters, digits and `. _ : @ -`. */
  readonly name: string
  /** The task for an item. Called again after a crash: the same input must give the same task. */
  readonly task: (input: StageInput<Item>) => TaskRequest
}

export interface PipelineOptions<Item> extends PatternOptions {
  /** Tells pipelines of one run apart, as a stage's name does. Default `pipeline`. */
  readonly name?: string
  /** Names an item, the same way after a restart. Default: the item itself, if it is a string. */
  readonly key?: (item: Item, index: number) => string
}

/** How far an item came. `done`: through every stage; `receipt` is the last one's. If not, `stage` is where it ended. */
export interface PipelineResult extends Settlement {
  readonly stage: string
  readonly done: boolean
}

/**
 * Leads each item through the stages, each on its own: accepting what one stage returned and dispatching the next is one
 * commit. Resolves with how far each item came, by its key, once all are through or have ended: a stage that is given up
 * ends its item only. The same call after a crash goes on with what the log says. `SPAWN_REFUSED` if a limit keeps a stage
 * out.
 */
export async function pipeline<Item>(
  run: Run,
  items: Iterable<Item>,
  stages: readonly Stage<Item>[],
  options: PipelineOptions<Item> = {},
): Promise<ReadonlyMap<string, PipelineResult>> {
  const lines = layLines(run, [...items], stages, options)
  const flow = new Flow(run, stages, lines)
  const following = {
    ...options,
    settle: (result: TaskResult, verdict: Verdict) => flow.settle(result, verdict),
    onSettled: (settlement: Settlement, earlier: boolean) => flow.onSettled(settlement, earlier),
  }
  return TaskFollower.during(run, following, async (follower) => {
    await flow.begin(follower)
    await follower.until(() => flow.results.size === lines.length)
    const results = lines.map(({ key }): [string, PipelineResult] => [key, flow.results.get(key) as PipelineResult])
    const details = await inLogOrder(run, new Map(results.map(([, result]) => [result.taskId as string, result])))
    return new Map(results.map(([key, result]) => [key, { ...result, ...details.get(result.taskId) }]))
  })
}

class Flow<Item> {
  readonly results = new Map<string, PipelineResult>()
  private readonly lineOf = new Map<string, Line<Item>>()
  private readonly moves: Moves
  /** Accepted tasks whose successor goes out in the same commit. */
  private readonly moving = new Set<string>()
  private follower: TaskFollower | null = null

  constructor(
    private readonly run: Run,
    private readonly stages: readonly Stage<Item>[],
    private readonly lines: readonly Line<Item>[],
  ) {
    this.moves = new Moves(run)
  }

  /** Finds in the log how far each item is, and takes in what comes next. */
  async begin(follower: TaskFollower): Promise<void> {
    this.follower = follower
    const { run, lines } = this
    const outcomes = await run.outcomes(lines.flatMap(({ taskIds }) => taskIds))
    const reached = new Map<string, Line<Item>>()
    for (const line of lines) {
      while (line.stage < this.stages.length && outcomes.get(idOf(line) as TaskId) === 'accepted') line.stage++
      // What ended it, or else what is accepted last.
      if (outcomes.has(idOf(line) as TaskId)) reached.set(idOf(line), line)
      else if (line.stage > 0) reached.set(line.taskIds[line.stage - 1] as string, line)
    }
    if (reached.size > 0) {
      for await (const settlement of run.settlements(new Set(reached.keys()))) {
        const line = reached.get(settlement.taskId) as Line<Item>
        line.receipt = settlement.receipt
        if (settlement.outcome !== 'accepted') this.finish(line, settlement)
        else if (line.stage === this.stages.length) this.finish({ ...line, stage: line.stage - 1 }, settlement)
      }
    }
    const going = lines.filter(({ key }) => !this.results.has(key))
    const requests = going.map((line) => this.request(line))
    for (const line of going) this.lineOf.set(idOf(line), line)
    await follower.follow(going.map(idOf))
    await follower.dispatch(requests)
  }

  async settle(result: TaskResult, verdict: Verdict): Promise<void> {
    const line = this.lineOf.get(result.taskId)
    if (verdict !== 'accept' || line === undefined || line.stage === this.stages.length - 1) {
      return settleResult(this.run, result, verdict)
    }
    const { taskId, attempt, receipt } = result
    const next = this.request({ ...line, stage: line.stage + 1, receipt })
    const commands: RoundCommand[] = [
      { type: 'accept', taskId, attempt },
      { type: 'dispatch', tasks: [next] },
    ]
    this.moving.add(taskId)
    const outcome = await this.moves.make(commands, `task ${taskId} goes on as ${next.taskId}`)
    this.moving.delete(taskId)
    if (outcome.ok) {
      const refused = outcome.report.refused.filter((refusal) => refusal.taskId === next.taskId)
      if (refused.length > 0) throw keptOut(this.run, refused[0] as (typeof refused)[number])
      // In the log before its turn, under another list of stages: it may have come back, or be settled, and nobody looked.
      const isKnown = (outcome.report.known as readonly string[]).includes(next.taskId)
      if (isKnown && idOf(line) === next.taskId) await this.goOn(line)
      return
    }
    if (!isOvertaken(outcome)) throw refusalError(this.run, outcome)
    // Accepted by somebody else while this was asked for: its successor stands in no commit yet.
    if (idOf(line) === next.taskId) await this.goOn(line)
  }

  onSettled(settlement: Settlement, earlier: boolean): void {
    const line = this.lineOf.get(settlement.taskId)
    if (line === undefined) return
    this.lineOf.delete(settlement.taskId)
    const isLast = line.stage === this.stages.length - 1
    if (settlement.outcome !== 'accepted' || isLast) {
      this.finish(line, settlement)
      return
    }
    line.stage++
    line.receipt = settlement.receipt
    this.lineOf.set(idOf(line), line)
    this.follower?.open.add(idOf(line) as TaskId)
    if (earlier || !this.moving.has(settlement.taskId)) this.follower?.beside(this.goOn(line))
  }

  private async goOn(line: Line<Item>): Promise<void> {
    line.receipt ??= await this.readReceipt(line.taskIds[line.stage - 1] as string)
    const request = this.request(line)
    await this.follower?.follow([request.taskId])
    await this.follower?.dispatch([request])
  }

  /** Of a task that somebody else accepted before its receipt was seen here. */
  private async readReceipt(taskId: string): Promise<Receipt | null> {
    for await (const { receipt } of this.run.settlements(new Set([taskId]))) return receipt
    return null
  }

  private finish(line: Line<Item>, settlement: Settlement): void {
    const stage = (this.stages[line.stage] as Stage<Item>).name
    this.results.set(line.key, { ...settlement, stage, done: settlement.outcome === 'accepted' })
  }

  private request(line: Line<Item>): TaskRequest {
    const { name, task } = this.stages[line.stage] as Stage<Item>
    const taskId = idOf(line)
    const request = task({ taskId, item: line.item, output: line.receipt?.output ?? null, receipt: line.receipt })
    if (request.taskId === taskId) return request
    throw new RepriseError(
      'INVALID_INPUT',
      `Stage ${name} in run ${this.run.id} gave its task the id ${request.taskId}, not ${taskId}, under which it would be found after a crash. Use the taskId that it is passed.`,
      { details: { runId: this.run.id, taskId } },
    )
  }
}

const idOf = <Item>({ taskIds, stage }: Line<Item>): string => taskIds[stage] ?? ''

const keptOut = (run: Run, refusal: { taskId: string; rule: string; limit: number; value: number }): RepriseError =>
  new RepriseError(
    'SPAWN_REFUSED',
    `Task ${refusal.taskId} was kept out of run ${run.id}: ${refusal.rule} is ${refusal.limit}, the run stands at ${refusal.value}. What the stage before returned is accepted.`,
    { details: { refused: [refusal] } },
  )
