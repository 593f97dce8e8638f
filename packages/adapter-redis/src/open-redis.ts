import type {
  Adapter,
  ArtifactStore,
  DiagnoseOptions,
  Diagnosis,
  RunSummaries,
  SnapshotStore,
} from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { checkServers } from './check-server.js'
import { requireDurability } from './durability.js'
import { redisKeys } from './keys.js'
import { Lifetime } from './lifetime.js'
import { RedisQueue } from './queue/redis-queue.js'
import { RedisArtifacts } from './redis-artifacts.js'
import { RedisConnection } from './redis-connection.js'
import { diagnoseRedis } from './redis-diagnose.js'
import { RedisEndpoint } from './redis-endpoint.js'
import { RedisInbox } from './redis-inbox.js'
import { RedisLeases } from './redis-leases.js'
import { RedisLog } from './redis-log.js'
import { checkOptions, type OpenRedisOptions } from './redis-options.js'
import { RedisSnapshots } from './redis-snapshots.js'
import { RedisSummaries } from './redis-summaries.js'
import { RunRegistry } from './run-registry.js'
import { readServerFacts } from './server-facts.js'

/** Everything on one Redis server or cluster, shared by all processes that open it with the same prefix. */
export interface RedisAdapter extends Adapter {
  readonly name: 'redis'
  readonly prefix: string
  readonly artifacts: ArtifactStore
  readonly snapshots: SnapshotStore
  readonly summaries: RunSummaries
}

/**
 * Connects to a server for runs, tasks, messages, leases and artifacts. Any number of processes may. `UNSAFE_SERVER`
 * if the server would lose logs (it evicts keys, is a replica or too old, keeps less than `requireDurable`);
 * `INVALID_INPUT` if it refuses the user; `ADAPTER_UNAVAILABLE` if it does not answer within `commandTimeoutMs`.
 */
export async function openRedis(options: OpenRedisOptions): Promise<RedisAdapter> {
  const checked = checkOptions(options)
  const { commandTimeoutMs } = checked
  const keys = redisKeys(checked.prefix)
  const endpoint = new RedisEndpoint(checked)
  const connection = new RedisConnection(endpoint, commandTimeoutMs)
  try {
    // Most users may not ask for settings, and need not.
    const servers = await readServerFacts(connection, { withoutConfig: checked.requireDurable === undefined })
    checkServers(servers, endpoint.where)
    if (checked.requireDurable !== undefined) requireDurability(servers, checked.requireDurable, endpoint.where)
  } catch (error) {
    connection.close()
    throw error
  }
  const parts = { endpoint, connection, keys, lifetime: new Lifetime(), commandTimeoutMs }
  return redisAdapter(parts, checked.artifactBytesMax)
}

function redisAdapter(parts: AdapterParts, artifactBytesMax: number): RedisAdapter {
  const { lifetime, connection, keys } = parts
  const registry = new RunRegistry(parts)
  const log = new RedisLog(parts, registry)
  const queue = new RedisQueue(parts)
  const inbox = new RedisInbox(parts)
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    // Consumers give back what they hold, which needs the connection.
    await queue.close()
    lifetime.end()
    log.close()
    // Receivers trim what was handled.
    await inbox.close()
    connection.close()
  }
  return {
    name: 'redis',
    prefix: keys.prefix,
    log,
    leases: new RedisLeases(parts),
    queue,
    inbox,
    artifacts: new RedisArtifacts(parts, artifactBytesMax),
    snapshots: new RedisSnapshots(parts),
    summaries: new RedisSummaries(parts, registry),
    diagnose: async (options?: DiagnoseOptions): Promise<Diagnosis> => {
      lifetime.assertOpen()
      return await diagnoseRedis(parts, options)
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}
