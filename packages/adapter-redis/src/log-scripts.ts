import { luaScript } from './lua-script.js'

/**
 * What every script of the log begins with. The log is a stream, commit `index` being entry `<index + 1>-0` with one
 * field, `c`, the text of its record, whose hash stands at characters 10 to 73. Beside it the head: a hash with `index`
 * and `hash` of the newest commit, and `generation`, the number of times a log of this name was removed.
 *
 *   KEYS[1] log   KEYS[2] head
 *   ARGV[1] generation, ARGV[2] index (-1: none), ARGV[3] hash: the highest head that the caller has seen
 *
 * `status`: `ok`; `torn`: the stream has not as many entries as the head says (trimmed, evicted, written by others);
 * `lost`: the caller has seen more than there is; `forked`: the caller has seen another commit at that index.
 */
const opening = `
local log, head = KEYS[1], KEYS[2]
local found = redis.call('HMGET', head, 'index', 'hash', 'generation')
local index, hash = tonumber(found[1] or '-1'), found[2] or ''
local generation = tonumber(found[3] or '0')

local function entryId(at)
  return string.format('%.0f-0', at + 1)
end

local function hashAt(at)
  if at == index then return hash end
  local entry = redis.call('XRANGE', log, entryId(at), entryId(at))[1]
  return entry and string.sub(entry[2][2], 10, 73)
end

local status = 'ok'
local seenGeneration, seenIndex = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('XLEN', log) ~= index + 1 then
  status = 'torn'
elseif generation < seenGeneration then
  -- Of a log that was removed, even the head goes one day; then there is nothing that could be lost.
  if seenIndex >= 0 then status = 'lost' end
elseif generation == seenGeneration and seenIndex >= 0 then
  if index < seenIndex then
    status = 'lost'
  elseif hashAt(seenIndex) ~= ARGV[3] then
    status = 'forked'
  end
end
`

/**
 * Compares and appends, in one step.
 *
 *   KEYS  as above
 *   ARGV  as above, then ARGV[4] index, ARGV[5] hash, ARGV[6] text of the record
 *   reply {status, generation, index, hash}, of the head as it is now; status as above, or
 *         `appended`, also if the same hash is at that index already, or `conflict`: nothing was changed
 *
 * Running it twice is harmless: the second time the hash is there.
 */
export const appendScript = luaScript(
  'the append script',
  `${opening}
if status ~= 'ok' then return {status, generation, index, hash} end
local at = tonumber(ARGV[4])
if at == index + 1 then
  redis.call('XADD', log, entryId(at), 'c', ARGV[6])
  redis.call('HSET', head, 'index', ARGV[4], 'hash', ARGV[5])
  -- The head of a removed log runs out one day; that of a log must not.
  if at == 0 then redis.call('PERSIST', head) end
  return {'appended', generation, at, ARGV[5]}
end
if at <= index and hashAt(at) == ARGV[5] then return {'appended', generation, index, hash} end
return {'conflict', generation, index, hash}
`,
)

/**
 * Looks at the head, and reads commits if wanted.
 *
 *   KEYS  as above
 *   ARGV  as above, then ARGV[4] first index, ARGV[5] last index (-1: the head), ARGV[6] bytes after which it is
 *         enough (0: no commits are wanted)
 *   reply {status, generation, index, hash, text, text, …}, the texts in order and without gaps, from the first index
 */
export const lookScript = luaScript(
  'the look script',
  `${opening}
local reply = {status, generation, index, hash}
local from, to, bytesMax = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if to < 0 or to > index then to = index end
if status ~= 'ok' then return reply end
local bytes, count, atOnce = 0, 4, 1
while from <= to and bytes < bytesMax do
  -- As many as will be enough if they are like those before: what is not wanted is not copied.
  local entries = redis.call('XRANGE', log, entryId(from), entryId(to), 'COUNT', atOnce)
  if #entries == 0 then return reply end
  for i = 1, #entries do
    if entries[i][1] ~= entryId(from) or bytes >= bytesMax then return reply end
    local text = entries[i][2][2]
    count = count + 1
    reply[count] = text
    bytes = bytes + #text
    from = from + 1
  end
  atOnce = math.max(1, math.min(4 * atOnce, 32, math.floor((bytesMax - bytes) * (count - 4) / bytes)))
end
return reply
`,
)

/**
 * Removes the log, the inbox, the snapshot and the summary of a run, if its head still is the one that the caller has judged. The head stays for
 * a while, one generation older, so that who has seen the log can tell that it was removed, not lost.
 *
 *   KEYS[1] log  KEYS[2] head  KEYS[3] inbox  KEYS[4] snapshot  KEYS[5] summary
 *   ARGV[1] generation, ARGV[2] index, ARGV[3] hash of that head, ARGV[4] milliseconds for which it stays
 *   reply 1, or 0: the head is another, nothing was changed
 */
export const removeScript = luaScript(
  'the remove script',
  `
local found = redis.call('HMGET', KEYS[2], 'index', 'hash', 'generation')
if found[1] ~= ARGV[2] or found[2] ~= ARGV[3] or (found[3] or '0') ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[3], KEYS[4], KEYS[5])
redis.call('HSET', KEYS[2], 'index', '-1', 'hash', '')
redis.call('HINCRBY', KEYS[2], 'generation', 1)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
`,
)
