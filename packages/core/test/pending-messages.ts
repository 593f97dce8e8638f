import fc from 'fast-check'
import { issueToken } from '../src/coordinator/context-token.js'
import type { InboxMessage } from '../src/ports/inbox.js'
import type { CommandInput } from '../src/protocol/commands.js'
import type { TaskId } from '../src/protocol/ids.js'
import { anyTaskId } from './flow-histories.js'
import { dispatch, type GivenRun, receiptText, task } from './given-run.js'
import { hashOf } from './log-history.js'

const answers = ['completed', 'failed', 'partial', 'refused'] as const
const wrongs = ['late', 'other-run', 'forged', 'other-digest', 'newer-epoch', 'unknown-task', 'garbage'] as const
const tokens = [null, 'right', 'stale', 'made-up'] as const

/** What may lie in the inbox of a run while nobody is home, or come while somebody takes it up again. */
export type Pending =
  | { readonly what: (typeof answers)[number]; readonly pick: number }
  | { readonly what: (typeof wrongs)[number]; readonly pick: number }
  /** The message before it once more: as the transport repeats it, or as another sender copies it. */
  | { readonly what: 'repeated' }
  | { readonly what: 'copied' }
  | { readonly what: 'command'; readonly command: CommandInput; readonly token: (typeof tokens)[number] }

/** Which task a receipt is about: mostly one that is out. */
const anyPick = fc.nat({ max: 31 })
const reason = 'from outside'
const anyCommand: fc.Arbitrary<CommandInput> = fc.oneof(
  fc.constantFrom<CommandInput>(
    { type: 'note', text: reason },
    { type: 'pause', reason },
    { type: 'unpause', reason },
    { type: 'complete', summary: reason },
    { type: 'fail', reason },
    { type: 'round', decide: [dispatch('x') as never], summary: reason },
    dispatch('x', task('y', { after: ['x'] })),
  ),
  { weight: 3, arbitrary: anyTaskId.map((taskId): CommandInput => dispatch(taskId)) },
  anyTaskId.map((taskId): CommandInput => ({ type: 'accept', taskId })),
  fc
    .tuple(fc.constantFrom('retry', 'reject', 'cancel', 'abandon'), anyTaskId)
    .map(([type, taskId]) => ({ type: type as 'retry', taskId, reason })),
)

export const anyPending: fc.Arbitrary<Pending> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constantFrom(...answers), pick: anyPick }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constantFrom(...wrongs), pick: anyPick }) },
  { weight: 2, arbitrary: fc.constantFrom<Pending>({ what: 'repeated' }, { what: 'copied' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('command' as const),
      command: anyCommand,
      token: fc.constantFrom(...tokens),
    }),
  },
)

/** The messages, in their order: each from a sender of its own, as each process has one. */
export function messagesOf(run: GivenRun, pending: readonly Pending[]): InboxMessage[] {
  const messages: InboxMessage[] = []
  for (const [i, one] of pending.entries()) {
    const before = messages.at(-1)
    if (one.what === 'repeated' || one.what === 'copied') {
      if (before !== undefined) messages.push(one.what === 'repeated' ? before : { ...before, sender: `copyist-${i}` })
      continue
    }
    const kind = one.what === 'command' ? 'command' : 'receipt'
    messages.push({ sender: `sender-${i}`, seq: 1, kind, body: bodyOf(run, one, i) })
  }
  return messages
}

function bodyOf(run: GivenRun, pending: Exclude<Pending, { what: 'repeated' | 'copied' }>, i: number): string {
  if (pending.what === 'command') return commandText(run, pending)
  const { what } = pending
  const taskId = taskOf(run, pending.pick)
  const mine = { receiptId: `receipt-${i}-of-${taskId}` }
  const text = (altered: Record<string, unknown>) => receiptText(run, taskId, { ...mine, ...altered })
  const attempt = run.state.tasks.get(taskId as TaskId)?.attempt ?? 1
  switch (what) {
    case 'completed':
      return text({})
    case 'partial':
      return text({ status: what })
    case 'failed':
    case 'refused':
      return text({ status: what, output: null, error: { message: 'it broke' } })
    case 'late':
      return text({ attempt: Math.max(1, attempt - 1) })
    case 'other-run':
      return text({ runId: 'run-2' })
    case 'forged':
      return text({}).replace('"lines":3', '"lines":4')
    case 'other-digest':
      return text({ dispatchDigest: 'f'.repeat(64) })
    case 'newer-epoch':
      return text({ epoch: 10_000 })
    case 'unknown-task':
      return text({ taskId: 'never-heard-of' })
    case 'garbage':
      return i % 2 === 0 ? '{"not":"a receipt"}' : 'not JSON'
  }
}

function commandText(run: GivenRun, { command, token }: Extract<Pending, { what: 'command' }>): string {
  if (token === null) return JSON.stringify(command)
  const { runId, version, epoch } = run.state
  const basis = token === 'right' ? { version, epoch } : { version: 1, epoch: 1 }
  const issued = issueToken(runId as never, basis, hashOf(run.lines[0]) ?? '')
  return JSON.stringify({ ...command, token: token === 'made-up' ? `${issued.slice(0, -4)}AAAA` : issued })
}

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']

function taskOf(run: GivenRun, pick: number): string {
  const out = [...run.state.tasks.values()].filter(({ phase }) => phase === 'out').map(({ spec }) => spec.taskId)
  return (pick < 24 ? out[pick % Math.max(1, out.length)] : undefined) ?? (ids[pick % ids.length] as string)
}

/** The task and attempt that a receipt answers as it should: that attempt is out. `null` for anything else. */
export function honestAnswer(run: GivenRun, pending: Pending): { taskId: string; attempt: number } | null {
  if (!('pick' in pending) || !(answers as readonly string[]).includes(pending.what)) return null
  const taskId = taskOf(run, pending.pick)
  const task = run.state.tasks.get(taskId as TaskId)
  return run.state.mode !== 'closed' && task?.phase === 'out' ? { taskId, attempt: task.attempt } : null
}
