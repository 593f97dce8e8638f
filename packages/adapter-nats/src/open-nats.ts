import type {
  Adapter,
  ArtifactStore,
  DiagnoseOptions,
  Diagnosis,
  RunSummaries,
  SnapshotStore,
} from '@reprise/core/adapter'
import { type Names, namesOf } from './names.js'
import { NatsArtifacts } from './nats-artifacts.js'
import { NatsConnection } from './nats-connection.js'
import { diagnoseNats } from './nats-diagnose.js'
import { isNatsFailure } from './nats-failure.js'
import { NatsInbox } from './nats-inbox.js'
import { NatsLeases } from './nats-leases.js'
import { NatsLog } from './nats-log.js'
import { NatsSnapshots } from './nats-snapshots.js'
import { NatsSummaries } from './nats-summaries.js'
import { type NatsOptions, type OpenNatsOptions, readOptions } from './open-options.js'
import { natsQueue } from './queue/nats-queue.js'
import { tasksStream } from './queue/tasks-stream.js'
import { checkServer, explainNoJetStream } from './server-requirements.js'
import {
  artifactsStream,
  ensureStream,
  findStream,
  inboxStream,
  leasesStream,
  logStream,
  snapshotsStream,
  summariesStream,
} from './streams.js'

/** Everything in the streams of one JetStream account, shared by all processes that open the same prefix. */
export interface NatsAdapter extends Adapter {
  readonly name: 'nats'
  readonly artifacts: ArtifactStore
  readonly snapshots: SnapshotStore
  readonly summaries: RunSummaries
  /**
   * Whether there is a stream for logs under this prefix: without one, nothing was ever opened here with
   * `createStreams`. `null`: this user may not look. `UNSAFE_SERVER` if the server has no JetStream.
   */
  hasLogs(): Promise<boolean | null>
}

/**
 * Connects, and makes the streams that are missing. Any number of processes on any number of hosts may have them open.
 * `UNSAFE_SERVER` if the server is too old or without JetStream, or a stream is there with settings that endanger what it
 * is for; `INVALID_INPUT` if it refuses the user; `ADAPTER_UNAVAILABLE` if it is not there.
 */
export async function openNats(given: OpenNatsOptions): Promise<NatsAdapter> {
  const options = readOptions(given)
  const names = namesOf(options.prefix)
  const connection = await NatsConnection.open(options)
  try {
    checkServer(connection, options.replicas)
    if (options.createStreams) await ensureStreams(connection, names, options)
  } catch (error) {
    await connection.close()
    throw explainNoJetStream(error)
  }
  return natsAdapter(connection, names, options)
}

async function ensureStreams(connection: NatsConnection, names: Names, options: NatsOptions): Promise<void> {
  const beside = [artifactsStream, snapshotsStream, summariesStream]
  const streams = [logStream, inboxStream, leasesStream, ...beside, tasksStream]
  const results = await Promise.allSettled(streams.map((wanted) => ensureStream(connection, wanted(names, options))))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function hasLogs(connection: NatsConnection, names: Names): Promise<boolean | null> {
  try {
    return (await findStream(connection, names.logStream)) !== null
  } catch (error) {
    if (isNatsFailure(error, 'forbidden')) return null
    throw explainNoJetStream(error)
  }
}

function natsAdapter(connection: NatsConnection, names: Names, options: NatsOptions): NatsAdapter {
  const { replicas, createStreams, artifactBytesMax } = options
  // See `allow_direct` of the streams.
  const direct = replicas === 1
  const inbox = new NatsInbox(connection, names, direct)
  const queue = natsQueue({ connection, names, replicas, createStreams })
  const log = new NatsLog(connection, names, direct, async (runId) => {
    await Promise.allSettled([inbox.forget(runId), snapshots.forget(runId), summaries.forget(runId)])
  })
  const snapshots = new NatsSnapshots(connection, names, direct, (runId) => log.head(runId))
  const summaries = new NatsSummaries(connection, names, direct, log)
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    // Both have something to give back or to trim, which needs the connection.
    await Promise.all([queue.close(), inbox.close()])
    await connection.close()
  }
  return {
    name: 'nats',
    log,
    leases: new NatsLeases(connection, names, direct),
    queue,
    inbox,
    artifacts: new NatsArtifacts(connection, names, direct, artifactBytesMax),
    snapshots,
    summaries,
    diagnose: async (options?: DiagnoseOptions): Promise<Diagnosis> => {
      connection.assertOpen()
      return await diagnoseNats(connection, names, direct, options)
    },
    hasLogs: async () => {
      connection.assertOpen()
      return await hasLogs(connection, names)
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}
