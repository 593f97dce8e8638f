import { sendCommand } from '../src/coordinator/send-command.js'
import type { CommandInput } from '../src/protocol/commands.js'
import { receiptChecksum } from '../src/protocol/receipt.js'
import { isoTime } from '../src/protocol/time.js'
import { coordinate, employ, finish, work } from './fleet-members.js'
import type { Plan, Step } from './fleet-plan.js'
import { FleetSimulation, type Member, runId } from './fleet-simulation.js'

/** Plays a plan, checks every invariant after every step, then lets the faults stop and the run be finished. */
export async function play(plan: Plan): Promise<FleetSimulation> {
  const fleet = new FleetSimulation(plan)
  void coordinate(fleet, fleet.join('coordinator'), 'when-dead')
  void employ(fleet, fleet.join('worker'))
  await fleet.clock.settle()
  for (const [i, step] of plan.steps.entries()) {
    await take(fleet, step)
    await fleet.clock.settle()
    report(fleet, `after step ${i}, ${JSON.stringify(step)}`)
  }
  fleet.stopFaults()
  void employ(fleet, fleet.join('worker'))
  await fleet.clock.run(finish(fleet))
  report(fleet, 'when the run was finished')
  await fleet.clock.advance(10 * 60_000)
  report(fleet, 'ten minutes after the faults had stopped')
  return fleet
}

function report(fleet: FleetSimulation, when: string): void {
  const found = fleet.check()
  if (found.length > 0) throw new Error(`${when}: ${found.slice(0, 3).join('; ')}`)
}

const pickFrom = <T>(list: readonly T[], pick: number): T | undefined => list[pick % Math.max(1, list.length)]

async function take(fleet: FleetSimulation, step: Step): Promise<void> {
  switch (step.do) {
    case 'dispatch': {
      const holder = fleet.alive('coordinator').findLast(({ run }) => run !== undefined)
      if (holder?.run === undefined) return
      void fleet.expect(holder, 'dispatch', holder.run.dispatch(requestsOf(fleet, step)))
      return
    }
    case 'open':
      void coordinate(fleet, fleet.join('coordinator'), step.takeover)
      return
    case 'worker':
      void employ(fleet, fleet.join('worker'))
      return
    case 'close': {
      const member = pickFrom(fleet.alive(step.who), step.pick)
      const closing = member?.run?.close() ?? member?.worker?.close({ drainMs: 500 })
      if (member !== undefined && closing !== undefined) void fleet.expect(member, 'close', closing)
      return
    }
    case 'pause':
      pickFrom(fleet.alive(step.who, 'running'), step.pick)?.runtime.pause()
      return
    case 'continue': {
      const member = pickFrom(fleet.alive(step.who, 'paused'), step.pick)
      if (member !== undefined) fleet.continue(member.runtime)
      return
    }
    case 'kill':
      pickFrom(fleet.alive(step.who), step.pick)?.adapter.kill({ noticed: step.noticed })
      return
    case 'fault':
      fleet.addFault(step.who, step.after, step.fate)
      return
    case 'command': {
      const command = commandOf(fleet, step)
      if (command !== null) void fleet.expect(fleet.outside, 'sendCommand', answered(fleet.outside, command))
      return
    }
    case 'forge':
      return forge(fleet, step)
    case 'repeat':
      return repeat(fleet, step)
    case 'wait':
      return fleet.clock.advance(step.ms)
    case 'clock':
      return fleet.stepClock(step.ms)
  }
}

function requestsOf(fleet: FleetSimulation, step: Extract<Step, { do: 'dispatch' }>) {
  return Array.from({ length: step.count }, (_, i) => {
    const taskId = `t${(step.first + i) % 12}`
    return work.task(
      taskId,
      { behaviours: [...step.behaviours] },
      {
        priority: step.priority,
        ...(step.delayMs > 0 && { notBefore: isoTime(fleet.clock.now() + step.delayMs) }),
        ...(step.chained && i > 0 && { after: [`t${(step.first + i - 1) % 12}`] }),
      },
    )
  })
}

async function answered({ adapter, runtime }: Member, command: CommandInput): Promise<void> {
  await (await sendCommand({ adapter, runtime, runId, command })).answer({ timeoutMs: 20_000 })
}

function commandOf(fleet: FleetSimulation, { pick, task }: { pick: number; task: number }): CommandInput | null {
  const [taskId, reason] = [`t${task}`, 'from outside']
  const commands: CommandInput[] = [
    { type: 'note', text: reason },
    { type: 'pause', reason },
    { type: 'unpause', reason },
    { type: 'block', reason },
    { type: 'unblock', reason },
    { type: 'accept', taskId },
    { type: 'reject', taskId, reason },
    { type: 'retry', taskId, reason },
    { type: 'cancel', taskId, reason },
    { type: 'abandon', taskId, reason },
    { type: 'close-round', summary: reason },
    { type: 'set-checkpoint', dueAt: isoTime(fleet.clock.now()), note: reason },
    { type: 'dispatch', tasks: [work.task(taskId, { behaviours: ['ok'] })] },
    { type: 'dispatch', tasks: [work.task(taskId, { behaviours: [] }, { parent: `t${(task + 1) % 12}` })] },
    { type: 'complete', summary: reason },
  ]
  return fleet.backend.recordsOf(runId).length === 0 ? null : (pickFrom(commands, pick) ?? null)
}

/** Receipts that a worker once sent come again: from another sender, for another attempt, with another content. */
async function forge(fleet: FleetSimulation, { pick, how }: { pick: number; how: number }): Promise<void> {
  const message = pickFrom(fleet.receipts, pick)
  const original = message === undefined ? '{"not":"a receipt"}' : message.body
  const { checksum, ...content } = JSON.parse(original) as Record<string, unknown>
  const changed = [
    { ...content, checksum },
    { ...content, output: { attempt: 99 }, checksum },
    sealed({ ...content, attempt: Number(content.attempt ?? 1) + 1 }),
    sealed({ ...content, epoch: 10_000 }),
    sealed({ ...content, dispatchDigest: 'f'.repeat(64) }),
    sealed({ ...content, taskId: 'foreign' }),
  ][how]
  const sender = `forger-${fleet.clock.random()}`
  const send = fleet.outside.adapter.inbox.send(runId, [
    { sender, seq: 1, kind: 'receipt', body: JSON.stringify(changed) },
  ])
  await fleet.clock.run(send)
}

const sealed = (content: Record<string, unknown>) => ({ ...content, checksum: receiptChecksum(content) })

/** What was delivered and acknowledged is delivered again. */
function repeat(fleet: FleetSimulation, { what, pick }: { what: 'message' | 'delivery'; pick: number }): void {
  if (what === 'message') {
    const message = pickFrom(fleet.receipts, pick)
    const box = fleet.backend.inboxes.of(runId)
    if (message !== undefined) box.pending.push(message)
    box.arrived.ring()
    return
  }
  const attempt = pickFrom(
    [...fleet.backend.lanes.attempts.values()].filter(({ done }) => done),
    pick,
  )
  if (attempt === undefined) return
  attempt.done = false
  fleet.backend.lanes.of(attempt.offer.lane).put(attempt)
}
