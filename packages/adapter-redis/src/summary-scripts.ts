import { luaScript } from './lua-script.js'

/**
 * Keeps the summary of a run, if it is of the newest commit of its log.
 *
 *   KEYS[1] head of the log  KEYS[2] summary, a hash: `hash` of the commit that it is of, and `text`
 *   ARGV[1] index, ARGV[2] hash of that commit  ARGV[3] text
 *   reply 1, or 0: the log does not end there, nothing was changed
 *
 * Running it twice is harmless.
 */
export const putSummaryScript = luaScript(
  'the put summary script',
  `
local found = redis.call('HMGET', KEYS[1], 'index', 'hash')
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], 'hash', ARGV[2], 'text', ARGV[3])
return 1
`,
)

/**
 * Whether there is a log, and its summary if that is of the newest commit. A script, so that each run costs one call: with
 * thousands of them, calls are what a list costs.
 *
 *   KEYS  as above
 *   reply {}: there is no log; {''}: no summary of its end; {'', text}
 *
 * Changes nothing.
 */
export const readSummaryScript = luaScript(
  'the read summary script',
  `
local head = redis.call('HMGET', KEYS[1], 'index', 'hash')
if tonumber(head[1] or '-1') < 0 then return {} end
local kept = redis.call('HMGET', KEYS[2], 'hash', 'text')
if kept[1] ~= head[2] or not kept[2] then return {''} end
return {'', kept[2]}
`,
)
