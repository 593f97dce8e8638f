import { luaScript } from './lua-script.js'

/**
 * Says where the bytes with a digest are, unless somebody else has said so meanwhile.
 *
 *   KEYS[1] artifact
 *   ARGV[1] what it says so far, '' if nothing  ARGV[2] what it is to say
 *   reply 1, or 0: it says something else, nothing was changed
 *
 * Running it twice is harmless: the second time it says so already.
 */
export const placeScript = luaScript(
  'the place script',
  `
local said = redis.call('GET', KEYS[1]) or ''
if said == ARGV[2] then return 1 end
if said ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
`,
)

/**
 * Adds a piece to an upload, which then stays until it counts as abandoned.
 *
 *   KEYS[1] bytes, a hash
 *   ARGV[1] number of the piece  ARGV[2] the piece  ARGV[3] milliseconds until then
 *   reply nothing
 *
 * Running it twice is harmless, even late: only a new piece sets the time, and one that is placed gets no new pieces.
 */
export const addPieceScript = luaScript(
  'the add piece script',
  `
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return false
`,
)

/**
 * Makes the bytes of an upload stay for good, if all of its pieces are there.
 *
 *   KEYS[1] bytes
 *   ARGV[1] number of its pieces
 *   reply 1, or 0: some are missing, nothing was changed
 */
export const keepScript = luaScript(
  'the keep script',
  `
if redis.call('HLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('PERSIST', KEYS[1])
return 1
`,
)

/**
 * One piece of an upload, unless somebody has made it larger than a piece may be.
 *
 *   KEYS[1] bytes, a hash
 *   ARGV[1] number of the piece  ARGV[2] bytes that it may have
 *   reply the piece, or nothing
 */
export const pieceScript = luaScript(
  'the piece script',
  `
if redis.call('HSTRLEN', KEYS[1], ARGV[1]) > tonumber(ARGV[2]) then return false end
return redis.call('HGET', KEYS[1], ARGV[1])
`,
)
