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
