// The table at the end. Every line of it is counted from the log or from the files, and says so.

/**
 * @typedef {object} Findings
 * @property {number} files
 * @property {number} types
 * @property {import('./audit-log.mjs').Audit} audit
 * @property {string[]} onceProblems
 * @property {string[]} differences
 * @property {import('@reprise/core').LogVerdict} verdict
 * @property {import('./fleet.mjs').FleetKill[]} kills
 */

/** @param {Findings} findings */
export const allAgrees = ({ onceProblems, differences, verdict }) =>
  verdict.ok && onceProblems.length === 0 && differences.length === 0

/** @param {Findings} findings @param {import('./progress.mjs').Progress} progress */
export function printReport(findings, progress) {
  const { audit, verdict, onceProblems, differences } = findings
  const totals = totalsOf(audit)
  const unread = [...audit.tasks].flatMap(([taskId, { abandoned }]) =>
    abandoned === null ? [] : [`${taskId}: ${abandoned}`],
  )
  const yesNo = (/** @type {boolean} */ yes) => (yes ? progress.paint('yes', 'green') : progress.paint('no', 'red'))
  /** @type {[string, string][]} */
  const rows = [
    ['files', `${whole(findings.files)} of ${whole(findings.types)} types`],
    ['bytes', whole(totals.bytes)],
    ['lines', whole(totals.lines)],
    ['attempts', `${whole(audit.attempts)} for ${whole(audit.tasks.size)} tasks, one per file and one per type`],
    [
      're-offers',
      `${whole(audit.offeredAgain)} after a coordinator died, ${whole(audit.takenOver)} finished for a dead worker, ${whole(audit.retries)} retries`,
    ],
    ['rejected receipts', rejections(audit)],
    ['could not be read', whole(unread.length)],
    ['accepted exactly once', yesNo(onceProblems.length === 0)],
    ['independent re-read agrees', yesNo(differences.length === 0)],
    [
      'log verified',
      verdict.ok
        ? `${yesNo(true)}, ${whole(verdict.commits)} commits, version ${whole(verdict.version)}`
        : `${yesNo(false)}: ${verdict.message}`,
    ],
    ['kill → first new decision', decisionTimes(findings)],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  progress.say('')
  for (const [name, value] of rows) progress.say(`  ${name.padEnd(width)}  ${value}`)
  list(progress, 'Abandoned, with the reason in the log:', unread)
  list(progress, 'Not accepted exactly once:', onceProblems)
  list(progress, 'Differences (a file that somebody changed between the two readings is one):', differences)
}

/**
 * Commands that work as they stand.
 * @param {string} log
 * @param {import('./options.mjs').AdapterKind} adapter the one of this run
 * @param {import('./progress.mjs').Progress} progress
 */
export function printNextSteps(log, adapter, progress) {
  const count = `require('fs').readFileSync('${log}','utf8').split('\\n').filter(l=>l.endsWith('}}')).flatMap(l=>JSON.parse(l).commit.events).reduce((n,e)=>({...n,[e.type]:(n[e.type]??0)+1}),{})`
  progress.say('\nTo try next:')
  progress.say(`  count what happened    node -p "${count}"`)
  progress.say('  without any kill       npm start -- --kill none')
  const others = ['files', 'redis', 'nats'].filter((name) => name !== adapter)
  for (const name of others) progress.say(`  ${`over ${name}`.padEnd(21)}  npm start -- --adapter ${name}`)
  progress.say('  your own files         npm start -- --dir PATH --keep')
}

/** @param {import('./audit-log.mjs').Audit} audit */
function totalsOf({ tasks }) {
  const totals = { bytes: 0, lines: 0 }
  for (const { acceptances, receipt } of tasks.values()) {
    const output = /** @type {Partial<import('./tasks.mjs').Figures> | null} */ (receipt?.output ?? null)
    if (acceptances === 0) continue
    totals.bytes += output?.bytes ?? 0
    totals.lines += output?.lines ?? 0
  }
  return totals
}

/** @param {import('./audit-log.mjs').Audit} audit */
function rejections({ rejectedReceipts }) {
  const counts = [...rejectedReceipts.values()]
  const gates = [...rejectedReceipts].map(([gate, count]) => `${whole(count)} by the gate ${gate}`)
  return [whole(counts.reduce((sum, count) => sum + count, 0)), ...gates].join(', ')
}

/** From SIGKILL to the time of the first commit in which the next coordinator accepted something. @param {Findings} findings */
function decisionTimes({ audit, kills }) {
  const times = kills.flatMap(({ role, at, epoch }) => {
    if (role !== 'coordinator') return []
    const next = [...audit.firstAcceptance].find(([later]) => later > epoch)
    return [next === undefined ? 'nothing was left to decide' : `${next[1] - at} ms, process start included`]
  })
  return times.join(', ') || 'no coordinator was killed'
}

/** @param {import('./progress.mjs').Progress} progress @param {string} title @param {string[]} lines */
function list(progress, title, lines) {
  if (lines.length === 0) return
  progress.say(`\n${title}`)
  for (const line of lines.slice(0, 10)) progress.say(`  ${line}`)
  if (lines.length > 10) progress.say(`  … and ${whole(lines.length - 10)} more`)
}

/** @param {number} value */
export const whole = (value) => value.toLocaleString('en-US')
