// Where the show kills the coordinator. It does so itself, in the very moment in which a commit is durable: a signal from
// somebody else would come too late on one machine and too early on another.

/** @typedef {import('@reprise/core').RunEvent} RunEvent */

/** @param {RunEvent} event */
const receiptOf = (event) => (event.type === 'receipt-received' ? event.data.receipt.taskId : '')

/** In the middle of each pattern. @type {Readonly<Record<string, (event: RunEvent) => boolean>>} */
export const moments = {
  'the first lines are counted, and not accepted': (event) => receiptOf(event).startsWith('lines of'),
  'every search is out': (event) => event.type === 'dispatched' && event.data.taskId === 'search 4',
  'the first words are ranked': (event) => receiptOf(event).endsWith('/rank'),
  'half of the numbers are tested': (event) => receiptOf(event) === 'prime 200',
}

/** @param {import('@reprise/core').Run} run @param {string | undefined} moment */
export function dieAt(run, moment = '') {
  const isNow = moments[moment]
  if (isNow === undefined) return
  run.on('commit', ({ events }) => {
    if (events.some(isNow)) process.kill(process.pid, 'SIGKILL')
  })
}
