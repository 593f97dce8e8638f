import { z } from 'zod'
import { openRun } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import type { TaskResult } from '../src/coordinator/task-result.js'
import type { SpawnRefusal } from '../src/flow/decision.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { TaskRequest } from '../src/protocol/task.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import { hold, readResults } from './fleet-members.js'
import { FleetSimulation, type Member, runId } from './fleet-simulation.js'
import type { Node, SpawnPlan, SpawnStep } from './spawn-plan.js'

const nodeSchema = z.custom<Node>((value) => typeof value === 'object')
const grow = defineTask('grow', { input: nodeSchema, output: z.null() })

/** A fleet whose workers ask for more work, and what its coordinators asked for and were refused. */
export class SpawnFleet extends FleetSimulation {
  readonly asked = new Set<string>()
  readonly refused: SpawnRefusal[][] = []

  constructor(readonly spawning: SpawnPlan) {
    const { seed, reorder } = spawning
    const policy = { inFlightMax: 1, attemptsMax: 1, evaluateFirst: false }
    super({ seed, reorder, policy, slow: false, steps: [] })
  }

  /** Plays the plan, `check` after every step; then lets the faults stop and the run be finished. */
  async play(check: (fleet: SpawnFleet) => void): Promise<void> {
    void this.coordinate('when-dead')
    void this.employ()
    await this.clock.settle()
    for (const step of this.spawning.steps) {
      await this.take(step)
      await this.clock.settle()
      check(this)
    }
    this.stopFaults()
    void this.employ()
    await this.clock.run(this.finish())
    check(this)
  }

  private async take(step: SpawnStep): Promise<void> {
    switch (step.do) {
      case 'open':
        return void this.coordinate(step.takeover)
      case 'worker':
        return void this.employ()
      case 'kill': {
        const alive = this.alive(step.who)
        return alive[step.pick % Math.max(1, alive.length)]?.adapter.kill()
      }
      case 'fault':
        return this.addFault(step.who, step.after, step.fate)
      case 'wait':
        return this.clock.advance(step.ms)
    }
  }

  private open({ adapter, runtime }: Member, takeover: 'when-dead' | 'now'): Promise<Run> {
    const pace = { attemptTimeoutMs: 5_000, retryBackoffMs: 200, leaseTtlMs: 3_000 }
    const policy = { ...this.spawning.policy, ...pace }
    return openRun({ adapter, runtime, runId, takeover, policy, goal: 'grow', tasks: [grow] })
  }

  /** As a program would: asks for the roots, then for what comes back asks for, but for what it finds needless. */
  private async coordinate(takeover: 'when-dead' | 'now'): Promise<void> {
    const member = this.join('coordinator')
    const run = await this.expect(member, 'openRun', this.open(member, takeover))
    if (run === null) return
    hold(this, member, run)
    await this.askRoots(member, run)
    while (!run.signal.aborted) {
      await readResults(this, run, undefined, async (result) => {
        await this.ask(member, run, result.spawnRequests.filter(isNeeded))
        if (member.random() < 0.9) await this.expect(member, 'settle', this.settle(result, member.random()))
      })
      await member.runtime.sleep(300, run.signal)
    }
  }

  private askRoots(member: Member, run: Run): Promise<void> {
    return this.ask(
      member,
      run,
      this.spawning.roots.map((root, i) => grow.task(`r${i}`, root)),
    )
  }

  private settle(result: TaskResult, chance: number): Promise<void> {
    if (result.status === 'stopped') return chance < 0.4 ? result.retry('once more') : result.abandon('in vain')
    if (chance < 0.8) return result.accept()
    return chance < 0.9 ? result.retry('not good enough') : result.reject('not good enough')
  }

  private async ask(member: Member, run: Run, requests: readonly TaskRequest[]): Promise<void> {
    if (requests.length === 0) return
    for (const { taskId } of requests) this.asked.add(taskId)
    const asking = run.dispatch(requests).catch((error: unknown) => {
      if (!isRepriseError(error, 'SPAWN_REFUSED')) throw error
      this.refused.push(error.details.refused as SpawnRefusal[])
    })
    await this.expect(member, 'dispatch', asking)
  }

  private async employ(): Promise<void> {
    const member = this.join('worker')
    const { adapter, runtime, random } = member
    const handler = grow.handle(async (node, task) => {
      await runtime.sleep(random() * 200, task.signal)
      task.usage({ tokens: node.tokens, costUsd: node.costUsd })
      if (task.attempt <= node.fails) throw new Error('it went wrong')
      for (const [i, child] of node.children.entries()) task.spawn(grow.task(`${task.taskId}.${i}`, child))
      if (node.endless)
        for (const more of ['a', 'b']) task.spawn(grow.task(`${task.taskId}.${more}`, { ...node, children: [] }))
      return node.partial ? task.partial(null, { message: 'half of it' }) : null
    })
    const options = { adapter, runtime, handlers: [handler], concurrency: 2, claimTtlMs: 2_000 }
    const worker = await this.expect(member, 'startWorker', startWorker(options))
    if (worker !== null) member.worker = worker
  }

  /** Settles everything, without giving up on anything that limits allow. */
  private async finish(): Promise<void> {
    for (;;) {
      const member = this.join('coordinator')
      const run = await this.expect(member, 'openRun', this.open(member, 'now'))
      if (run === null) continue
      hold(this, member, run)
      await this.askRoots(member, run)
      while (!run.signal.aborted && run.status.mode !== 'closed') {
        const over = new AbortController()
        void member.runtime.sleep(1_000).then(() => over.abort())
        await readResults(this, run, over.signal, async (result) => {
          await this.ask(member, run, result.spawnRequests.filter(isNeeded))
          const settled = result.status === 'stopped' ? result.abandon('the end') : result.accept()
          await this.expect(member, 'settle', settled)
        })
        await this.expect(member, 'complete', run.complete('the end'))
      }
      if (run.status.mode === 'closed') return
    }
  }
}

/** Coordinators decide: a request is no dispatch. */
const isNeeded = ({ taskId }: TaskRequest): boolean => !taskId.endsWith('.2')
