/** `act`: somebody must do something. `wait`: it goes on by itself. `nothing`: it is over. */
export type Needs = 'act' | 'wait' | 'nothing'

/**
 * Every reason why a run or a task is where it is, with what it needs as a rule. In the order in which a person looks into
 * them: what comes first keeps what follows from going on. Codes are stable.
 */
export const whyCodes = {
  'resume-gate-failed': { needs: 'act', says: 'the newest resume stopped at a gate' },
  'holder-gone': { needs: 'act', says: 'by the log a process holds the run, and it has no live lease' },
  'no-holder': { needs: 'act', says: 'nobody holds the run, and something in it needs a holder to go on' },
  blocked: { needs: 'act', says: 'the run is blocked' },
  paused: { needs: 'act', says: 'the run is paused' },
  stopped: { needs: 'act', says: 'an attempt was rejected, failed, expired or kept out, and none follows by itself' },
  received: { needs: 'act', says: 'a receipt is recorded and waits for a decision' },
  'receipt-refused': { needs: 'act', says: 'a gate refused the receipt of an attempt that is still out' },
  unclaimed: { needs: 'act', says: 'an attempt is queued, and nobody is known to serve its lane' },
  silent: { needs: 'act', says: 'no heartbeat comes from the worker that has an attempt, nor is another known' },
  'not-offered': { needs: 'act', says: 'an attempt is out by the log, and neither queue nor inbox has it' },
  overdue: { needs: 'act', says: 'the deadline of an attempt is over, and nobody has expired it' },
  'budget-used': { needs: 'act', says: 'a limit on spend is used up: nothing more is dispatched' },
  'checkpoint-overdue': { needs: 'act', says: 'somebody wanted to look at the run by now' },
  'criteria-open': { needs: 'act', says: 'no task is open, and a success criterion has no evidence' },
  'nothing-dispatched': { needs: 'act', says: 'the run has no tasks yet' },
  'could-complete': { needs: 'act', says: 'every task is settled and every criterion is met' },
  'taking-over': { needs: 'wait', says: 'another process has the lease and is about to take the run over' },
  resuming: { needs: 'wait', says: 'the resume gates of its holder have not all passed yet' },
  'inbox-unread': { needs: 'wait', says: 'messages in the inbox wait for the holder of the run' },
  working: { needs: 'wait', says: 'a worker has an attempt' },
  'lane-busy': { needs: 'wait', says: 'an attempt is queued, and the workers of its lane have others' },
  'receipt-in-inbox': { needs: 'wait', says: 'the receipt of an attempt lies in the inbox' },
  out: { needs: 'wait', says: 'an attempt is out; where was not asked, or could not be learnt' },
  after: { needs: 'wait', says: 'a task waits for another one to be accepted' },
  held: { needs: 'wait', says: 'a task waits while the run is paused, blocked, or evaluates first' },
  time: { needs: 'wait', says: 'a task waits for a time' },
  'no-slot': { needs: 'wait', says: 'a task waits for a slot' },
  turn: { needs: 'wait', says: 'a task waits for the holder of the run to dispatch it' },
  'command-waiting': { needs: 'wait', says: 'a command in the inbox asks for the task' },
  'asked-for': { needs: 'act', says: 'a receipt asks for the task, and nobody has dispatched it' },
  'kept-out': { needs: 'nothing', says: 'a limit kept the task out of the run' },
  accepted: { needs: 'nothing', says: 'the task is accepted' },
  cancelled: { needs: 'nothing', says: 'the task was cancelled' },
  abandoned: { needs: 'nothing', says: 'the task was abandoned' },
  'never-came': { needs: 'nothing', says: 'nothing in the log or the inbox asks for the task' },
  closed: { needs: 'nothing', says: 'the run is complete, or has failed' },
} as const satisfies Record<string, { needs: Needs; says: string }>

export type WhyCode = keyof typeof whyCodes

const order = Object.keys(whyCodes) as WhyCode[]

/** Smaller: to be looked into earlier. */
export const rankOf = (code: WhyCode): number => order.indexOf(code)
