import type { JetStreamAccountStats } from '@nats-io/jetstream'
import { type DiagnoseOptions, type Diagnosis, type Finding, isRepriseError } from '@reprise/core/adapter'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { isOlder, versionMin } from './server-requirements.js'
import { getMessage } from './stored-message.js'
import { findStream } from './streams.js'

const publishes = 20
const payloadBytesUsual = 1024 * 1024
/** Slower than a server on the same continent. */
const slowPublishMs = 100
const replicasForFailover = 3
const fullShare = 0.9
/** The first that can be told how often to sync. */
const syncIntervalSince = '2.10.0'
/** Deadlines and ages that somebody reads are off by as much. */
const clockSkewMaxMs = 1_000

/** Looks at the server and measures it. Takes some tens of milliseconds; the key that it writes for that stays. */
export async function diagnoseNats(
  connection: NatsConnection,
  names: Names,
  direct: boolean,
  { measure = true }: DiagnoseOptions = {},
): Promise<Diagnosis> {
  // Unknown is not more than one: this user may not look.
  let replicas = 1
  const findings = [
    onVersion(connection),
    onPayload(connection),
    await orDenied('jetstream', () => onAccount(connection)),
    await orDenied('log-stream', () => onLogStream(connection, names, (count) => (replicas = count))),
    onSync(replicas, connection.client.info?.version),
  ]
  if (measure) {
    findings.push(await orDenied('publish-cost', () => onPublish(connection, names)))
    findings.push(await orDenied('clock', () => onClock(connection, names, direct)))
  }
  return { adapter: 'nats', durable: replicas >= replicasForFailover ? 'failover' : 'process', findings }
}

function onVersion({ client }: NatsConnection): Finding {
  const version = client.info?.version ?? 'of an unknown version'
  return {
    name: 'server',
    level: 'ok',
    message: `nats-server ${version}; ${versionMin} or later is needed.`,
    figures: { version },
  }
}

function onPayload({ client }: NatsConnection): Finding {
  const maxPayloadBytes = client.info?.max_payload ?? 0
  const figures = { maxPayloadBytes }
  const message = `The server takes messages of ${maxPayloadBytes} bytes.`
  if (maxPayloadBytes >= payloadBytesUsual) return { name: 'max-payload', level: 'ok', message, figures }
  const remedy = 'Set max_payload to 1MB, its default: the largest offers need it.'
  return { name: 'max-payload', level: 'warning', message, remedy, figures }
}

async function onAccount(connection: NatsConnection): Promise<Finding> {
  const account = await connection.api<JetStreamAccountStats>('INFO', null, { doing: 'Looking at the account' })
  const { storage, streams, consumers, limits } = account
  const figures = { storageBytes: storage, storageBytesMax: limits.max_storage, streams, consumers }
  const isLimited = limits.max_storage > 0
  if (isLimited && storage > fullShare * limits.max_storage) {
    const message = `${storage} of ${limits.max_storage} bytes of the account's storage are used.`
    const remedy = "Raise the account's storage limit: a full account refuses every commit."
    return { name: 'jetstream', level: 'warning', message, remedy, figures }
  }
  const limit = isLimited ? `at most ${limits.max_storage} bytes` : 'no limit of its own'
  return { name: 'jetstream', level: 'ok', message: `JetStream is on; the account has ${limit}.`, figures }
}

async function onLogStream(
  connection: NatsConnection,
  names: Names,
  tell: (replicas: number) => void,
): Promise<Finding> {
  const found = await findStream(connection, names.logStream)
  if (found === null) {
    const message = `The stream ${names.logStream} is gone.`
    const remedy = 'Restore it from a backup: every run is in it. Opening the adapter again makes an empty one.'
    return { name: 'log-stream', level: 'problem', message, remedy }
  }
  const { config, state, cluster } = found
  tell(config.num_replicas)
  const figures = { messages: state.messages, bytes: state.bytes, replicas: config.num_replicas }
  const lagging = (cluster?.replicas ?? []).filter(({ current, offline }) => !current || offline === true).length
  if (lagging > 0) {
    const message = `${lagging} of ${config.num_replicas} replicas of ${names.logStream} are offline or behind.`
    return { name: 'log-stream', level: 'warning', message, remedy: 'Look at the servers of the cluster.', figures }
  }
  const message = `${names.logStream} has ${config.num_replicas} replica(s) in files: ${state.messages} messages, ${state.bytes} bytes.`
  return { name: 'log-stream', level: 'ok', message, figures }
}

/** No server tells its clients how often it syncs. */
function onSync(replicas: number, version = versionMin): Finding {
  if (replicas >= replicasForFailover) {
    const message = `${replicas} servers have a commit before it is acknowledged: it survives the loss of a minority.`
    return { name: 'sync', level: 'ok', message }
  }
  return {
    name: 'sync',
    level: 'warning',
    message:
      'The server syncs its files every 2 minutes unless it is told otherwise, and does not tell how often: a commit survives a crash of the server, not one of its machine.',
    remedy: isOlder(version, syncIntervalSince)
      ? `nats-server ${version} cannot sync more often, and does not start with sync_interval in its configuration: update to 2.10 or later and set sync_interval: always in its jetstream block; or use a cluster and replicas: 3.`
      : 'Set sync_interval: always in its jetstream block; or use a cluster and replicas: 3.',
  }
}

async function onPublish(connection: NatsConnection, names: Names): Promise<Finding> {
  const costs: number[] = []
  for (let i = 0; i < publishes; i++) {
    const from = performance.now()
    await connection.publish(names.clockSubject, '', { doing: 'Measuring a publish' })
    costs.push(performance.now() - from)
  }
  costs.sort((a, b) => a - b)
  const figures = { publishMedianMs: round(costs[costs.length >> 1] ?? 0), publishMaxMs: round(costs.at(-1) ?? 0) }
  const message = `An append waits ${figures.publishMedianMs} ms for the server, at most ${figures.publishMaxMs} ms.`
  if (figures.publishMedianMs <= slowPublishMs) return { name: 'publish-cost', level: 'ok', message, figures }
  const remedy = 'Every commit waits so long: use a server that is nearer, or less loaded.'
  return { name: 'publish-cost', level: 'warning', message, remedy, figures }
}

/** By the time that the server gives a message. */
async function onClock(connection: NatsConnection, names: Names, direct: boolean): Promise<Finding> {
  const doing = 'Asking for the time of the server'
  const before = Date.now()
  await connection.publish(names.clockSubject, '', { doing })
  const stored = await getMessage(
    connection,
    { stream: names.leasesStream, direct },
    { lastOf: names.clockSubject },
    doing,
  )
  const after = Date.now()
  const serverMs = stored === null ? before : Math.round(Date.parse(stored.time))
  const skewMs = serverMs < before ? serverMs - before : Math.max(0, serverMs - after)
  const figures = { clockSkewMs: skewMs }
  if (Math.abs(skewMs) <= clockSkewMaxMs) {
    return { name: 'clock', level: 'ok', message: `The server's clock is ${skewMs} ms off ours.`, figures }
  }
  const message = `The server's clock is ${skewMs} ms off ours: times in logs and the ages of leases are told by different clocks.`
  const remedy =
    'Let all machines follow the same time server (NTP). Nothing is lost by it: who holds a run is decided by the log.'
  return { name: 'clock', level: 'warning', message, remedy, figures }
}

async function orDenied(name: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look()
  } catch (error) {
    if (!isRepriseError(error, 'ADAPTER_UNAVAILABLE')) throw error
    return {
      name,
      level: 'warning',
      message: error.message,
      remedy: 'This user may not look at that, or the server is away.',
    }
  }
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000
