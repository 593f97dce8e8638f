import type { StreamConfig, StreamInfo } from '@nats-io/jetstream'
import { RepriseError } from '@reprise/core/adapter'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'

/** A stream, with the settings that its promises hang on. Everything that is not named is the server's default. */
export type WantedStream = Pick<StreamConfig, 'name' | 'subjects' | 'num_replicas'> & Partial<StreamConfig>

export interface StreamSettings {
  readonly replicas: number
}

const secondsToNanos = 1e9
/** A repeated message is recognised for so long. Correctness never hangs on it. */
const duplicateWindow = 120 * secondsToNanos
/** Leases of dead holders vanish after a day. */
export const leaseAgeMaxMs = 24 * 3600 * 1000
/** A run that nobody has worked on for so long is read whole. */
const snapshotAgeMaxMs = 30 * 24 * 3600 * 1000

const common = ({ replicas }: StreamSettings) =>
  ({
    retention: 'limits',
    storage: 'file',
    // It must never forget what was acknowledged, and has no limits to do it at: see `isLimited`.
    discard: 'new',
    num_replicas: replicas,
    duplicate_window: duplicateWindow,
    deny_delete: true,
    // Any replica answers direct reads, and one that lags would show an old head as the newest.
    allow_direct: replicas === 1,
  }) as const

/** All runs' commits. Nobody may delete or purge, also not with the rights of a coordinator. */
export const logStream = (names: Names, settings: StreamSettings): WantedStream => ({
  ...common(settings),
  name: names.logStream,
  subjects: [names.logSubjects],
  deny_purge: true,
})

/** Messages for all runs; a coordinator purges what it has recorded. */
export const inboxStream = (names: Names, settings: StreamSettings): WantedStream => ({
  ...common(settings),
  name: names.inboxStream,
  subjects: [names.inboxSubjects],
})

/**
 * A key-value bucket in the form that every client of NATS knows, but without rollups: with them, whoever may write one
 * key can delete all of them.
 */
export const leasesStream = (names: Names, settings: StreamSettings): WantedStream => ({
  ...common(settings),
  name: names.leasesStream,
  subjects: [names.leasesSubjects],
  max_msgs_per_subject: 1,
  max_age: leaseAgeMaxMs * 1e6,
})

/**
 * Chunks, and under each digest where its chunks are. Nothing is taken back: a worker that may publish here must not be
 * able to remove what others have stored, and rollups would let it remove everything.
 */
export const artifactsStream = (names: Names, settings: StreamSettings): WantedStream => ({
  ...common(settings),
  name: names.artifactsStream,
  subjects: [names.artifactsSubjects],
  deny_purge: true,
})

/** Chunks of snapshots, and which of them are the newest of a run. A cache: what is left lying goes with its age. */
export const snapshotsStream = (names: Names, settings: StreamSettings): WantedStream => ({
  ...common(settings),
  name: names.snapshotsStream,
  subjects: [names.snapshotsSubjects],
  max_age: snapshotAgeMaxMs * 1e6,
})

/** One text for each run. A cache: it may be purged at any time. */
export const summariesStream = (names: Names, settings: StreamSettings): WantedStream => ({
  ...common(settings),
  name: names.summariesStream,
  subjects: [names.summariesSubjects],
  max_msgs_per_subject: 1,
})

/** While a cluster makes a stream for somebody else, nobody answers for it. */
const looksMax = 3

/** Creates the stream if it is absent. One that is there with settings that endanger its promises is refused. */
export async function ensureStream(connection: NatsConnection, wanted: WantedStream): Promise<void> {
  for (let look = 1; ; look++) {
    try {
      const found = await findStream(connection, wanted.name)
      if (found !== null) {
        refuseUnsafe(found.config, wanted)
        return
      }
      await connection.api(`STREAM.CREATE.${wanted.name}`, wanted, { doing: `Creating the stream ${wanted.name}` })
      return
    } catch (error) {
      // Somebody else was faster: with other settings, or just now, when the server says that its own subjects overlap.
      const wasFaster =
        isApiFailure(error, apiCodes.streamNameInUse) || isApiFailure(error, apiCodes.streamSubjectsOverlap)
      const again = isNatsFailure(error, 'timeout') || wasFaster
      if (!again || look === looksMax) throw error
    }
  }
}

/** `null` if there is no such stream. */
export async function findStream(connection: NatsConnection, name: string): Promise<StreamInfo | null> {
  try {
    return await connection.api<StreamInfo>(`STREAM.INFO.${name}`, null, { doing: `Looking at the stream ${name}` })
  } catch (error) {
    if (isApiFailure(error, apiCodes.streamNotFound)) return null
    throw error
  }
}

/**
 * Also with `discard: new` a limit is not safe: nats-server 2.9.10 compares it with the bare size of a message before it
 * stores it, and with more afterwards, and then forgets the oldest.
 */
const isLimited = (limit: number | undefined): boolean => (limit ?? -1) > 0

/** Settings on which a promise hangs, as they must be, with what is expected where a message says it. */
const unsafe: readonly {
  readonly setting: keyof StreamConfig
  isUnsafe(found: StreamConfig, wanted: WantedStream): boolean
}[] = [
  { setting: 'retention', isUnsafe: (found, wanted) => found.retention !== wanted.retention },
  { setting: 'storage', isUnsafe: (found, wanted) => found.storage !== wanted.storage },
  { setting: 'discard', isUnsafe: (found, wanted) => found.discard !== wanted.discard },
  { setting: 'max_bytes', isUnsafe: ({ max_bytes }) => isLimited(max_bytes) },
  { setting: 'max_msgs', isUnsafe: ({ max_msgs }) => isLimited(max_msgs) },
  { setting: 'max_age', isUnsafe: (found, wanted) => found.max_age !== (wanted.max_age ?? 0) },
  {
    setting: 'max_msgs_per_subject',
    isUnsafe: (found, wanted) => (found.max_msgs_per_subject ?? -1) !== (wanted.max_msgs_per_subject ?? -1),
  },
  {
    setting: 'discard_new_per_subject',
    isUnsafe: (found, wanted) => (found.discard_new_per_subject ?? false) !== (wanted.discard_new_per_subject ?? false),
  },
  { setting: 'deny_delete', isUnsafe: (found, wanted) => wanted.deny_delete === true && found.deny_delete !== true },
  { setting: 'deny_purge', isUnsafe: (found, wanted) => (wanted.deny_purge ?? false) !== (found.deny_purge ?? false) },
  {
    setting: 'allow_rollup_hdrs',
    isUnsafe: (found, wanted) => (wanted.allow_rollup_hdrs ?? false) !== (found.allow_rollup_hdrs ?? false),
  },
  { setting: 'allow_direct', isUnsafe: (found, wanted) => (found.allow_direct ?? false) !== wanted.allow_direct },
  { setting: 'num_replicas', isUnsafe: (found, wanted) => found.num_replicas !== wanted.num_replicas },
  { setting: 'no_ack', isUnsafe: (found) => found.no_ack === true },
  { setting: 'sealed', isUnsafe: (found) => found.sealed === true },
  { setting: 'mirror', isUnsafe: (found) => found.mirror !== undefined },
  { setting: 'sources', isUnsafe: (found) => (found.sources ?? []).length > 0 },
  { setting: 'subject_transform', isUnsafe: (found) => found.subject_transform !== undefined },
  {
    setting: 'subjects',
    isUnsafe: (found, wanted) => !wanted.subjects.every((subject) => found.subjects.includes(subject)),
  },
  {
    setting: 'max_msg_size',
    isUnsafe: (found) => (found.max_msg_size ?? -1) > 0 && (found.max_msg_size ?? -1) < messageBytesMin,
  },
]

/** The largest commit with its headers. */
const messageBytesMin = 600 * 1024

function refuseUnsafe(found: StreamConfig, wanted: WantedStream): void {
  const wrong = unsafe.find(({ isUnsafe }) => isUnsafe(found, wanted))
  if (wrong === undefined) return
  const { setting } = wrong
  const shown = (value: unknown): string => JSON.stringify(value) ?? 'nothing'
  const expected = shown((wanted as Partial<StreamConfig>)[setting])
  throw new RepriseError(
    'UNSAFE_SERVER',
    `The stream ${wanted.name} is there with ${setting} ${shown(found[setting])} where ${expected} is needed, so it cannot keep what this adapter promises. Change that with "nats stream edit", or open with another prefix.`,
    { details: { stream: wanted.name, setting, found: found[setting] } },
  )
}
