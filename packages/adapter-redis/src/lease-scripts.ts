import { luaScript } from './lua-script.js'

/** Dead leases are kept so long, to be able to say from whom one was taken. Milliseconds. */
const keepDeadMs = 24 * 3600 * 1000

/**
 * A lease is a hash: `id` of its holder, `nonce`, `expires` (milliseconds by the server's clock) and `facts`, JSON that
 * no script looks into. Workers can write any field of theirs: what is damaged has run out. What follows is the beginning of every script that needs the time.
 */
const clock = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`

const write = (nonce: string, ttl: string, facts: string): string => `
redis.call('HSET', KEYS[1], 'nonce', ${nonce}, 'expires', string.format('%.0f', now + ${ttl}), 'facts', ${facts})
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ${ttl} + ${keepDeadMs}))
`

/**
 * Takes a lease that is free, ran out, belongs to the same holder already, is to be taken by force, or is the very one
 * whose holder's process is known to have ended.
 *
 *   KEYS[1] lease
 *   ARGV[1] id of the holder  ARGV[2] ttl in milliseconds  ARGV[3] facts  ARGV[4] unguessable, for the nonce  ARGV[5] 1: by force
 *   ARGV[6] nonce of the lease whose holder has ended, or nothing
 *   reply {'held', nonce, facts of the holder}, or {why, nonce, facts of the former holder}, why being `free`, `own`,
 *         `lease-expired`, `process-gone` or `forced`
 *
 * The same holder keeps its nonce: running it twice changes nothing.
 */
export const acquireScript = luaScript(
  'the acquire script',
  `${clock}
local found = redis.call('HMGET', KEYS[1], 'id', 'nonce', 'expires', 'facts')
local ttl = math.ceil(tonumber(ARGV[2]))
-- Microseconds, and beyond those of the former nonce even if the clock was set back.
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local former = tonumber(string.sub(found[2] or '', 1, 16)) or 0
local nonce, why = string.format('%016.0f-', math.max(micros, former + 1)) .. ARGV[4], 'free'
if found[1] then
  if found[1] == ARGV[1] then
    nonce, why = found[2] or nonce, 'own'
  elseif (tonumber(found[3] or '') or 0) <= now then
    why = 'lease-expired'
  elseif found[2] == ARGV[6] then
    why = 'process-gone'
  elseif ARGV[5] == '1' then
    why = 'forced'
  else
    return {'held', found[2] or '', found[4] or ''}
  end
end
redis.call('HSET', KEYS[1], 'id', ARGV[1])
${write('nonce', 'ttl', 'ARGV[3]')}
return {why, nonce, found[4] or ''}
`,
)

/**
 *   KEYS[1] lease
 *   ARGV[1] nonce  ARGV[2] ttl in milliseconds  ARGV[3] facts
 *   reply 1, or 0: it went to somebody else, nothing was changed
 */
export const renewScript = luaScript(
  'the renew script',
  `${clock}
if redis.call('HGET', KEYS[1], 'nonce') ~= ARGV[1] then return 0 end
local ttl = math.ceil(tonumber(ARGV[2]))
${write('ARGV[1]', 'ttl', 'ARGV[3]')}
return 1
`,
)

/**
 *   KEYS[1] lease
 *   ARGV[1] nonce
 *   reply 1, or 0: it went to somebody else, nothing was changed
 */
export const releaseScript = luaScript(
  'the release script',
  `
if redis.call('HGET', KEYS[1], 'nonce') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
`,
)

/**
 *   KEYS[1] lease
 *   reply facts, or nothing if nobody holds it now
 */
export const holderScript = luaScript(
  'the holder script',
  `${clock}
local found = redis.call('HMGET', KEYS[1], 'expires', 'facts')
if (tonumber(found[1] or '') or 0) <= now then return false end
return found[2]
`,
)

/**
 * Names stay in the register for a minute longer than their leases: on another node the clock may differ.
 *
 *   KEYS[1] register of leases, a sorted set
 *   ARGV[1] name  ARGV[2] ttl in milliseconds
 *   reply nothing
 */
export const registerScript = luaScript(
  'the register script',
  `${clock}
redis.call('ZADD', KEYS[1], string.format('%.0f', now + math.ceil(tonumber(ARGV[2])) + 60000), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
return false
`,
)

/**
 *   KEYS[1] register of leases
 *   reply the names of those that may be held
 */
export const listScript = luaScript(
  'the list script',
  `${clock}
return redis.call('ZRANGE', KEYS[1], string.format('%.0f', now), '+inf', 'BYSCORE')
`,
)
