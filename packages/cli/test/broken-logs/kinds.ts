import { gzipSync } from 'node:zlib'
import { commitOf, hashOf, linesOf, recordOf } from './golden-log.js'

/** What a log holds: lines of a file, entries of a stream, messages of a subject. */
export interface BrokenLog {
  readonly pieces: readonly (string | Buffer)[]
  /** Of the file; default: a newline behind every piece. */
  readonly file?: Buffer
  /** What `verify` calls it; `null`: harmless. */
  readonly kind: string | null
  readonly commit: number
  /** The same where each commit has a place of its own; absent: it cannot be like this there. */
  readonly onServers?: string | null
}

const at = 12

type Make = (runId: string) => BrokenLog
const broken = (kind: string, commit: number, pieces: BrokenLog['pieces']): BrokenLog => ({
  ...{ pieces, kind, commit, onServers: kind },
})
/** Can only be in a file. */
const brokenFile = (kind: string, commit: number, file: Buffer): BrokenLog => ({ pieces: [], kind, commit, file })
const harmless = (pieces: BrokenLog['pieces'], file?: Buffer): BrokenLog => ({
  ...{ pieces, kind: null, commit: -1, ...(file && { file }) },
})
/** Where each commit has a place of its own, something else in that of commit `commit` is no harmless remain. */
const harmlessInFiles = (pieces: BrokenLog['pieces'], onServers: string, commit: number): BrokenLog => ({
  ...{ pieces, kind: null, commit, onServers },
})
const fileOf = (pieces: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(pieces.flatMap((piece) => [Buffer.from(piece), Buffer.from('\n')]))
const line = (lines: readonly string[], index: number): string => lines[index] ?? ''
const flip = (text: string, place: number): Buffer => {
  const bytes = Buffer.from(text)
  bytes.writeUInt8(bytes.readUInt8(place) ^ 0x01, place)
  return bytes
}
/** The commit at the place of `at`, written anew: it follows the right one. */
const another = (lines: readonly string[], change: object): string =>
  recordOf(JSON.stringify({ ...commitOf(line(lines, at)), ...change })).text

/** Every way in which a log can be wrong, and some in which it only looks wrong. The name is that of the run. */
export const brokenLogs: Readonly<Record<string, Make>> = {
  whole: (runId) => ({ ...harmless(linesOf(runId)), onServers: null }),
  'torn-tail': (runId) => {
    const lines = linesOf(runId)
    const [kept, torn] = [lines.slice(0, -1), line(lines, lines.length - 1).slice(0, 100)]
    return harmless(kept, Buffer.concat([fileOf(kept), Buffer.from(torn)]))
  },
  'torn-middle': (runId) => {
    const lines = linesOf(runId)
    return harmlessInFiles(lines.toSpliced(at, 0, `${line(lines, at).slice(0, 80)}\u0018`), 'changed', at)
  },
  'written-twice': (runId) => {
    const lines = linesOf(runId)
    return harmlessInFiles(lines.toSpliced(at, 0, line(lines, at - 1)), 'repeated', at)
  },
  'came-too-late': (runId) => {
    const lines = linesOf(runId)
    return harmlessInFiles(lines.toSpliced(at + 1, 0, another(lines, { actor: 'zombie' })), 'repeated', at + 1)
  },
  flipped: (runId) => {
    const lines = linesOf(runId)
    return broken('changed', at, lines.with(at, flip(line(lines, at), 200).toString()))
  },
  'flipped-in-the-last': (runId) => {
    const lines = linesOf(runId)
    const last = lines.length - 1
    return broken('changed', last, lines.with(last, flip(line(lines, last), 200).toString()))
  },
  dropped: (runId) => broken('missing', at, linesOf(runId).toSpliced(at, 1)),
  'begins-late': (runId) => broken('missing', 0, linesOf(runId).slice(3)),
  reordered: (runId) => {
    const lines = linesOf(runId)
    return broken('reordered', at, lines.with(at, line(lines, at + 1)).with(at + 1, line(lines, at)))
  },
  duplicated: (runId) => {
    const lines = linesOf(runId)
    return broken('missing', at, lines.with(at, line(lines, at - 1)))
  },
  forked: (runId) => {
    const lines = linesOf(runId)
    const other = another(lines, { actor: 'zombie' })
    const next = recordOf(JSON.stringify({ ...commitOf(line(lines, at + 1)), prev: hashOf(other) })).text
    return brokenFile('forked', at + 1, fileOf([...lines.slice(0, at + 1), other, next, ...lines.slice(at + 2)]))
  },
  rewritten: (runId) => {
    const lines = linesOf(runId)
    return broken('forked', at + 1, lines.with(at, another(lines, { actor: 'forger' })))
  },
  'other-run': () => broken('other-run', 0, linesOf('somebody-else')),
  'too-new': (runId) => {
    const edited = linesOf(runId, ({ index, events }) => {
      if (index === at) for (const event of events) event.type = 'teleported'
    })
    return broken('too-new', at, edited)
  },
  'too-new-version': (runId) => {
    const edited = linesOf(runId, ({ index, events }) => {
      if (index === at) for (const event of events) event.v = 7
    })
    return broken('too-new', at, edited)
  },
  impossible: (runId) => {
    const accepted = { type: 'task-accepted', v: 1, data: { taskId: 'nobody', attempt: 1 } }
    const edited = linesOf(runId, (commit) => {
      if (commit.index === at) commit.events = commit.events.map(() => accepted)
    })
    return broken('impossible', at, edited)
  },
  'no-events': (runId) => {
    const lines = linesOf(runId)
    return broken('impossible', at, lines.with(at, another(lines, { events: null })))
  },
  'null-event': (runId) => {
    const edited = linesOf(runId, (commit) => {
      if (commit.index === at) Object.assign(commit, { events: commit.events.map(() => null) })
    })
    return broken('impossible', at, edited)
  },
  'wrong-version': (runId) => {
    const lines = linesOf(runId)
    return broken('impossible', at, lines.with(at, another(lines, { version: 4711 })))
  },
  'other-project': () => {
    const words = ['started', 'went on', '\u001b[31mended\u001b[0m']
    return broken(
      'foreign',
      0,
      words.map((message) => JSON.stringify({ level: 'info', message, time: 1 })),
    )
  },
  'other-project-behind': (runId) => {
    const lines = linesOf(runId)
    return broken('foreign', at, [...lines.slice(0, at), '{"level":"info","message":"hello"}', ...lines.slice(at)])
  },
  gzipped: (runId) => broken('foreign', 0, [gzipSync(linesOf(runId).join('\n'))]),
  'not-utf8': (runId) => {
    const lines: (string | Buffer)[] = linesOf(runId)
    const bytes = Buffer.from(lines[at] ?? '')
    bytes.writeUInt8(0xff, 200)
    return broken('not-utf8', at, lines.with(at, bytes))
  },
  empty: () => brokenFile('empty', 0, Buffer.alloc(0)),
  'only-torn': (runId) => brokenFile('empty', 0, Buffer.from(line(linesOf(runId), 0).slice(0, 100))),
  'huge-line': (runId) => {
    const lines = linesOf(runId)
    return brokenFile('huge-line', at, fileOf(lines.with(at, `{"hash":"${'a'.repeat(20_000_000)}`)))
  },
}

/** The log of that name as a file. */
export const fileOfBroken = ({ pieces, file }: BrokenLog): Buffer => file ?? fileOf(pieces)
