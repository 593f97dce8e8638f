import { isRepriseError } from '@reprise/core/adapter'
import type { RedisConnection } from './redis-connection.js'
import { asArray, asText } from './redis-reply.js'

/** What a server says of itself. `null`: it does not say, or does not let us ask. */
export interface ServerFacts {
  readonly version: string | null
  readonly role: string | null
  readonly evictionPolicy: string | null
  readonly appendOnly: boolean | null
  /** `always`, `everysec` or `no`. */
  readonly appendFsync: string | null
  /** Whether its last write to the append-only file succeeded. */
  readonly lastWriteOk: boolean
  /** How often it went on without waiting for a sync that took too long. */
  readonly delayedFsyncs: number
  readonly usedMemoryBytes: number
  /** 0: no limit. */
  readonly maxMemoryBytes: number
  readonly connectedReplicas: number
}

/** Those of every master. `INFO` is all that has to be allowed, and all that is asked `withoutConfig`. */
export async function readServerFacts(
  connection: RedisConnection,
  options: { withoutConfig?: boolean } = {},
): Promise<ServerFacts[]> {
  const infos = await connection.callEach('INFO', [])
  const fsyncs = options.withoutConfig === true ? [] : await readFsync(connection)
  return infos.map((info, i) => factsIn(asText(info), fsyncs[i] ?? null))
}

/** Only `CONFIG GET` tells how often the file is synced, and few users may do that. */
async function readFsync(connection: RedisConnection): Promise<(string | null)[]> {
  try {
    const replies = await connection.callEach('CONFIG', ['GET', 'appendfsync'])
    return replies.map((reply) => (asArray(reply)[1] === undefined ? null : asText(asArray(reply)[1])))
  } catch (error) {
    // The server answered: it is not allowed, or hidden by whoever runs the server.
    if (isRepriseError(error) && error.details.reply !== undefined) return []
    throw error
  }
}

function factsIn(info: string, appendFsync: string | null): ServerFacts {
  const lines = info.split('\r\n').map((line) => line.split(/:(.*)/s, 2) as [string, string | undefined])
  const fields = new Map(lines)
  const text = (name: string): string | null => fields.get(name) ?? null
  const number = (name: string): number => Number(fields.get(name) ?? 0)
  const appendOnly = text('aof_enabled')
  return {
    version: text('redis_version'),
    role: text('role'),
    evictionPolicy: text('maxmemory_policy'),
    appendOnly: appendOnly === null ? null : appendOnly === '1',
    appendFsync,
    lastWriteOk: (text('aof_last_write_status') ?? 'ok') === 'ok',
    delayedFsyncs: number('aof_delayed_fsync'),
    usedMemoryBytes: number('used_memory'),
    maxMemoryBytes: number('maxmemory'),
    connectedReplicas: number('connected_slaves'),
  }
}
