import { randomBytes } from 'node:crypto'
import { type DiagnoseOptions, type Diagnosis, type Finding, isRepriseError } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { durabilityOf } from './durability.js'
import { asArray, asText } from './redis-reply.js'
import { readServerFacts, type ServerFacts } from './server-facts.js'

const samples = 20
/** The largest share of its memory that a server may have in use without a warning. */
const memoryShareMax = 0.8
/** Slower than a network in one building, and slower than a disk. */
const slowPingMs = 5
const slowAppendMs = 50
const probeExpiresMs = 60_000
/** Deadlines and ages that somebody reads are off by as much. */
const clockSkewMaxMs = 1_000

/** Asks the server and measures on it. Takes some tens of milliseconds and leaves nothing behind. */
export async function diagnoseRedis(
  parts: AdapterParts,
  { measure: mayMeasure = true }: DiagnoseOptions = {},
): Promise<Diagnosis> {
  const servers = await readServerFacts(parts.connection)
  const findings = [
    ...servers.flatMap((facts) => [onVersion(facts), onPersistence(facts), onEviction(facts), onMemory(facts)]),
    ...servers.flatMap(onReplicas),
    ...(mayMeasure ? [await onPing(parts), await onAppend(parts)] : []),
    await onClock(parts),
  ]
  return { adapter: 'redis', durable: durabilityOf(servers), findings }
}

function onVersion({ version }: ServerFacts): Finding {
  const name = 'version'
  if (version === null) return { name, level: 'warning', message: 'The server does not tell its version.' }
  const figures = { version }
  if (Number(version.split('.')[0]) >= 7) return { name, level: 'ok', message: `Redis ${version}.`, figures }
  const remedy = 'Use Redis 7 or later: this adapter is tested with that.'
  return { name, level: 'warning', message: `Redis ${version}, with which it was not tested.`, remedy, figures }
}

function onPersistence({ appendOnly, appendFsync, lastWriteOk, delayedFsyncs }: ServerFacts): Finding {
  const name = 'persistence'
  const figures = { appendfsync: appendFsync ?? 'not told', delayedFsyncs }
  if (appendOnly !== true) {
    return {
      name,
      level: 'problem',
      message: 'The append-only file is off: commits are lost when the server ends, at best back to its last snapshot.',
      remedy: 'CONFIG SET appendonly yes, and CONFIG REWRITE.',
      figures,
    }
  }
  if (!lastWriteOk) {
    return {
      name,
      level: 'problem',
      message: 'The server could not write its append-only file.',
      remedy: 'Look into its log, and free some space on its disk.',
      figures,
    }
  }
  switch (appendFsync) {
    case 'always':
      return { name, level: 'ok', message: 'Every commit is synced before it is reported.', figures }
    case null:
      return {
        name,
        level: 'warning',
        message: 'Commits are written to the append-only file; how often it is synced may not be asked.',
        remedy: 'Grant +config|get to find out, or ask whoever runs the server for appendfsync.',
        figures,
      }
    case 'everysec':
      // While a sync is under way, Redis puts off writing for up to 2 s, and answers all the same: a SIGKILL then lost
      // 7,907 of 21,223 acknowledged appends where a sync took 1.5 s; with `no`, none.
      return {
        name,
        level: 'warning',
        message:
          "Commits survive the end of the server's process, but for those of a moment in which it syncs: at most 2 s, on a slow disk.",
        remedy: 'CONFIG SET appendfsync always, and CONFIG REWRITE: then they survive a power cut as well.',
        figures,
      }
    default:
      return {
        name,
        level: 'ok',
        message: `Commits survive the end of the server's process, not of its system: appendfsync is ${appendFsync}.`,
        remedy: 'For commits that survive a power cut: CONFIG SET appendfsync always, and CONFIG REWRITE.',
        figures,
      }
  }
}

function onEviction({ evictionPolicy }: ServerFacts): Finding {
  const name = 'eviction'
  if (evictionPolicy === 'noeviction') return { name, level: 'ok', message: 'Nothing is evicted.' }
  if (evictionPolicy === null) {
    const remedy = 'Make sure that its maxmemory-policy is noeviction.'
    return { name, level: 'warning', message: 'The server does not tell whether it evicts keys.', remedy }
  }
  const remedy = 'CONFIG SET maxmemory-policy noeviction, and CONFIG REWRITE.'
  return { name, level: 'problem', message: `Logs may be evicted: the policy is ${evictionPolicy}.`, remedy }
}

function onMemory({ usedMemoryBytes, maxMemoryBytes }: ServerFacts): Finding {
  const name = 'memory'
  const figures = { usedMemoryBytes, maxMemoryBytes }
  const used = `${Math.ceil(usedMemoryBytes / 1e6)} MB are in use`
  if (maxMemoryBytes === 0) {
    return { name, level: 'ok', message: `${used}; maxmemory sets no limit but that of the machine.`, figures }
  }
  const limit = `${used} of ${Math.floor(maxMemoryBytes / 1e6)} MB`
  if (usedMemoryBytes <= memoryShareMax * maxMemoryBytes) return { name, level: 'ok', message: `${limit}.`, figures }
  const remedy = 'Raise maxmemory or remove closed runs: a full server refuses every commit.'
  return { name, level: 'warning', message: `${limit}.`, remedy, figures }
}

function onReplicas({ connectedReplicas }: ServerFacts): Finding[] {
  if (connectedReplicas === 0) return []
  return [
    {
      name: 'replicas',
      level: 'warning',
      message: `${connectedReplicas} replicas follow, without being waited for: a failover can lose the newest commits.`,
      remedy: 'That is noticed where they were seen before. Look at the runs after a failover.',
      figures: { connectedReplicas },
    },
  ]
}

async function onClock({ connection }: AdapterParts): Promise<Finding> {
  const name = 'clock'
  try {
    const before = Date.now()
    const [seconds, microseconds] = asArray(await connection.call('TIME', [])).map((part) => Number(asText(part)))
    const after = Date.now()
    const serverMs = Math.round((seconds ?? 0) * 1000 + (microseconds ?? 0) / 1000)
    // Some time between the two looks at ours it was that late there.
    const skewMs = serverMs < before ? serverMs - before : Math.max(0, serverMs - after)
    const figures = { clockSkewMs: skewMs }
    if (Math.abs(skewMs) <= clockSkewMaxMs) {
      return { name, level: 'ok', message: `The server's clock is ${skewMs} ms off ours.`, figures }
    }
    return {
      name,
      level: 'warning',
      message: `The server's clock is ${skewMs} ms off ours: times in logs and the ages of leases are told by different clocks.`,
      remedy:
        'Let all machines follow the same time server (NTP). Nothing is lost by it: who holds a run is decided by the log.',
      figures,
    }
  } catch (error) {
    if (!isRepriseError(error) || error.details.reply === undefined) throw error
    return { name, level: 'ok', message: "The server's clock may not be asked by this user." }
  }
}

async function onPing({ connection }: AdapterParts): Promise<Finding> {
  const { medianMs, maxMs } = await measure(() => connection.call('PING', []))
  const figures = { pingMedianMs: medianMs, pingMaxMs: maxMs }
  const message = `The server answers within ${medianMs} ms, at most ${maxMs} ms.`
  if (medianMs <= slowPingMs) return { name: 'round-trip', level: 'ok', message, figures }
  const remedy = 'Every commit waits so long at least: bring the server closer, or look what keeps it busy.'
  return { name: 'round-trip', level: 'warning', message, remedy, figures }
}

async function onAppend({ connection, keys }: AdapterParts): Promise<Finding> {
  const name = 'append-cost'
  const key = keys.probe(randomBytes(8).toString('hex'))
  const record = 'x'.repeat(512)
  try {
    const append = () => connection.call('XADD', [key, '*', 'c', record])
    // Should nothing else arrive, the probe goes by itself.
    await Promise.all([append(), connection.call('PEXPIRE', [key, probeExpiresMs])])
    const { medianMs, maxMs } = await measure(append)
    await connection.call('UNLINK', [key])
    const figures = { appendMedianMs: medianMs, appendMaxMs: maxMs }
    const message = `An append takes ${medianMs} ms, at most ${maxMs} ms.`
    if (medianMs <= slowAppendMs) return { name, level: 'ok', message, figures }
    return { name, level: 'warning', message, remedy: 'Give the server a faster disk, or a closer place.', figures }
  } catch (error) {
    // The server answered: that is something to tell.
    if (!isRepriseError(error) || error.details.reply === undefined) throw error
    const refused = error.code === 'INVALID_INPUT'
    return {
      name,
      level: refused ? 'warning' : 'problem',
      message: refused ? 'What an append costs could not be measured: this user may not write.' : error.message,
      ...(refused ? { remedy: 'Diagnose as the coordinator does.' } : {}),
    }
  }
}

async function measure(call: () => Promise<unknown>): Promise<{ medianMs: number; maxMs: number }> {
  const costs: number[] = []
  for (let i = 0; i < samples; i++) {
    const from = performance.now()
    await call()
    costs.push(performance.now() - from)
  }
  costs.sort((a, b) => a - b)
  return { medianMs: round(costs[samples >> 1] ?? 0), maxMs: round(costs.at(-1) ?? 0) }
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000
