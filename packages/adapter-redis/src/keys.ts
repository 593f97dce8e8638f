import { RepriseError } from '@reprise/core/adapter'

/**
 * No glob characters, no braces: a prefix stands in key patterns of users' rights and inside hash tags. No colon: the
 * patterns of prefix `a` would match keys of prefix `a:run:b`.
 */
const prefixForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/**
 * Every key of one adapter. What is in braces is the hash tag: keys with the same tag are on the same node of a
 * cluster, and every script touches keys of one tag only. A tag is `<prefix>:<kind>:<id>`, and neither a prefix nor an
 * encoded id has `:` or braces, so no two (prefix, kind, id) share a tag.
 */
export interface RedisKeys {
  readonly prefix: string
  /** Sorted set: ids of the runs that may have a log. */
  readonly runs: string
  /** Stream: entry `<index + 1>-0` is commit `index`. */
  log(runId: string): string
  /** Hash: index and hash of the newest commit, and how often a log of that name was removed. */
  head(runId: string): string
  /** Stream: messages nobody has acknowledged. */
  inbox(runId: string): string
  /** Sorted set: names of leases, by when they run out. */
  readonly leases: string
  /** Hash: pieces of the newest snapshot, by number. */
  snapshot(runId: string): string
  /** The same while it is being made. */
  snapshotUpload(runId: string, uploadId: string): string
  /** Hash: what a list of runs says about it, and of which commit that is. */
  summary(runId: string): string
  /** Hash: one lease. */
  lease(name: string): string
  /** String, JSON: where the bytes with a digest are. */
  artifact(sha256: string): string
  /** Hash: the pieces of one upload, by number. */
  bytes(uploadId: string): string
  /** Stream: what `diagnose` measures with, for a moment. */
  probe(id: string): string
  /** Hash tag of everything that belongs to the delivery on one lane, braces included: `{<prefix>:lane:<id>}`. */
  laneTag(lane: string): string
}

/** `INVALID_INPUT` if the prefix could not stand in a pattern or a tag. */
export function redisKeys(prefix: string): RedisKeys {
  if (!prefixForm.test(prefix)) {
    throw new RepriseError(
      'INVALID_INPUT',
      `The prefix ${JSON.stringify(prefix.slice(0, 80))} of the Redis adapter must be 1 to 64 of A-Z a-z 0-9 . _ - and start with a letter or digit.`,
    )
  }
  const tag = (kind: string, id: string): string => `{${prefix}:${kind}:${encodeId(id)}}`
  return {
    prefix,
    runs: `{${prefix}:runs}`,
    log: (runId) => `${tag('run', runId)}:log`,
    head: (runId) => `${tag('run', runId)}:head`,
    inbox: (runId) => `${tag('run', runId)}:inbox`,
    snapshot: (runId) => `${tag('run', runId)}:snapshot`,
    snapshotUpload: (runId, uploadId) => `${tag('run', runId)}:snapshot:${uploadId}`,
    summary: (runId) => `${tag('run', runId)}:summary`,
    leases: `{${prefix}:leases}`,
    lease: (name) => tag('lease', name),
    artifact: (sha256) => tag('artifact', sha256),
    bytes: (uploadId) => tag('bytes', uploadId),
    probe: (id) => tag('probe', id),
    laneTag: (lane) => tag('lane', lane),
  }
}

/**
 * Any text in `A-Za-z0-9._@-` and `%`: everything else is `%` and the four hex digits of its UTF-16 unit. Different
 * texts stay different, lone surrogates included, and plain ids stay readable.
 */
export const encodeId = (id: string): string => id.replace(/[^A-Za-z0-9._@-]/g, (unit) => encodeUnits(unit))

/** Also for a pair of surrogates, should an engine ever match both at once. */
function encodeUnits(units: string): string {
  let text = ''
  for (let i = 0; i < units.length; i++) text += `%${units.charCodeAt(i).toString(16).padStart(4, '0')}`
  return text
}
