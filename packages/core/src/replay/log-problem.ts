/** What can be wrong with a log. Stable: tools match it. */
export const logProblems = [
  'empty',
  'changed',
  'not-utf8',
  'huge-line',
  'foreign',
  'missing',
  'reordered',
  'repeated',
  'forked',
  'other-run',
  'too-new',
  'impossible',
  'unreadable',
] as const
export type LogProblemKind = (typeof logProblems)[number]

/** The first thing that is wrong with a log: nothing behind it can be trusted. */
export interface LogProblem {
  readonly kind: LogProblemKind
  /** Index of the first bad commit: so many commits before it are right. */
  readonly commit: number
  /** Where it is, in words of the backend; `null` if the adapter does not tell. */
  readonly place: string | null
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
}

const restore = (commit: number): string =>
  commit === 0
    ? 'Restore the log from a copy.'
    : `Restore the log from a copy, or go on from the ${commit} commit${commit === 1 ? '' : 's'} before it in a new run.`

const remedies: Readonly<Record<LogProblemKind, (commit: number) => string>> = {
  empty: () =>
    'If the run was never opened, nothing is lost: opening it begins its log. If it was, something emptied the log: find out what, and restore it from a copy.',
  changed: (commit) => `${restore(commit)} Find out who writes there besides Reprise, and check the disk.`,
  'not-utf8': (commit) => `${restore(commit)} Find out who writes there besides Reprise, and check the disk.`,
  'huge-line': (commit) => `${restore(commit)} No commit is so large: find out who writes there besides Reprise.`,
  foreign: (commit) =>
    commit === 0
      ? 'Check which folder, server or prefix this is. If another program writes there, give Reprise a place of its own.'
      : `${restore(commit)} Another program writes there: give Reprise a place of its own.`,
  missing: (commit) => `${restore(commit)} Find out what deletes or rewrites parts of a log: no Reprise does.`,
  reordered: (commit) => `${restore(commit)} Find out what rewrites the log: no Reprise does.`,
  repeated: (commit) => `${restore(commit)} Find out who writes there besides Reprise.`,
  forked: (commit) =>
    `${restore(commit)} If a backup was restored while a coordinator went on, keep the history that its signed checkpoint, or whoever saw its results, confirms.`,
  'other-run': () => 'Put it back under its own name, in another folder or namespace if the original is still there.',
  'too-new': () => 'Nothing is wrong with the bytes: use the version of Reprise that wrote the log, or a later one.',
  impossible: (commit) =>
    `${restore(commit)} Its hash is right, so whoever wrote it made it so: check who can write here, and compare with a signed checkpoint. If Reprise itself wrote it, report it with the log.`,
  unreadable: () => 'Look at the backend: reprise doctor, or adapter.diagnose(), says what is wrong with it.',
}

export const logProblem = (
  kind: LogProblemKind,
  commit: number,
  place: string | null,
  message: string,
): LogProblem => ({ kind, commit, place, message, remedy: remedies[kind](commit) })
