import { luaScript } from '../lua-script.js'

/** Value of a lock whose job was withdrawn: tells its worker why the claim is gone. */
const withdrawnLock = 'withdrawn'
/** So long an attempt that was given back waits, at most. Milliseconds. */
export const pauseMsMax = 5_000
/** By then its worker has looked at its claims, or is dead. Milliseconds. */
const withdrawnLockMs = 60_000

/**
 * Puts attempts at the end of a lane, as jobs in the form of BullMQ's own `addStandardJob`. That one takes a call per
 * job, does much that a plain job does not need, and ignores a job whose id is taken without a word: with this one the
 * coordinator needs about two fifths of the processor time per task, and digests are compared. A test compares what
 * both leave behind.
 *
 * KEYS[1] wait list, KEYS[2] marker, KEYS[3] active list, KEYS[4] delayed set
 * ARGV[1] what job keys begin with, ARGV[2] now, in ms
 * ARGV[3…] job id, digest, data; repeated
 * Reply: positions, counted from 0, of those that are there already with another digest.
 */
export const offerAttempts = luaScript(
  'offer-attempts',
  `
local different, added = {}, false
for i = 3, #ARGV, 3 do
  local id, digest, job = ARGV[i], ARGV[i + 1], ARGV[1] .. ARGV[i]
  local there = redis.call('HGET', job, 'name')
  if there then
    if there ~= digest then different[#different + 1] = (i - 3) / 3 end
  else
    if redis.call('EXISTS', job) == 1 then
      -- What somebody left of a job, which no worker can do: made anew.
      redis.call('DEL', job, job .. ':lock')
      redis.call('LREM', KEYS[1], 0, id)
      redis.call('LREM', KEYS[3], 0, id)
      redis.call('ZREM', KEYS[4], id)
    end
    redis.call('HSET', job, 'name', digest, 'data', ARGV[i + 2], 'opts', '{}', 'timestamp', ARGV[2], 'delay', 0, 'priority', 0)
    redis.call('LPUSH', KEYS[1], id)
    added = true
  end
end
if added then redis.call('ZADD', KEYS[2], 0, '0') end
return different
`,
)

/**
 * Settles jobs and claims others, as many as a turn of the worker asked for, in the form of BullMQ's `moveToFinished`
 * and `moveToActive`. Those take one job per call, with 14 keys and all of the job's fields, and write events that
 * nobody reads: with this one worker and server need about half of the processor time. It claims only what lies in the
 * wait list of a lane without rules of its own; delayed jobs that are due, priorities, a pause, limits of rate or
 * concurrency are left to BullMQ's script. Other workers are woken only if there is something left for them.
 *
 * KEYS[1] wait list, KEYS[2] active list, KEYS[3] delayed set, KEYS[4] prioritized set, KEYS[5] stalled set,
 * KEYS[6] marker, KEYS[7] meta
 * ARGV[1] what job keys begin with, ARGV[2] now and ARGV[3] life of a claim, in ms, ARGV[4] worker,
 * ARGV[5] how many to claim, ARGV[6] what their tokens begin with, ARGV[7] number that the first of these ends with
 * ARGV[8…] job id and token of a job to remove, and how many to claim if it is there; repeated
 * Reply: 1 if BullMQ's script has to be asked for what is missing, else 0; when the next delayed job is due, in ms, 0 if
 * not known; then id, name, data, deliveries and earlier workers, one a line, of each claimed job.
 *
 * A delayed job that is further ahead than anybody puts one was put there by a clock that differs from ours, or is seen
 * by one: it comes closer, or it would wait for as long as the clocks differ.
 *
 * A job whose lock has another value is somebody else's, or was removed by a call whose answer was lost: then nothing
 * is claimed in its place. So a server that wakes up with the same call many times in its ears claims once.
 */
export const settleAndClaim = luaScript(
  'settle-and-claim',
  `
local wait, active, jobs = KEYS[1], KEYS[2], ARGV[1]
local wanted = tonumber(ARGV[5])
for i = 8, #ARGV, 3 do
  local id, job = ARGV[i], jobs .. ARGV[i]
  local lock = job .. ':lock'
  if redis.call('GET', lock) == ARGV[i + 1] then
    redis.call('SREM', KEYS[5], id)
    -- One that is not active was put somewhere else by another: it stays there.
    if redis.call('LREM', active, -1, id) > 0 then redis.call('DEL', job, job .. ':logs') end
    redis.call('DEL', lock)
    wanted = wanted + ARGV[i + 2]
  end
end

local reply, at = {0, 0}, 2
if wanted == 0 then return reply end
local rules = redis.call('HMGET', KEYS[7], 'paused', 'concurrency', 'max')
local due = tonumber(redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2])
if due then
  local farthest = (tonumber(ARGV[2]) + ${pauseMsMax}) * 4096
  local beyond = string.format('%.0f', farthest + ${pauseMsMax} * 4096)
  local far = redis.call('ZRANGEBYSCORE', KEYS[3], beyond, '+inf', 'LIMIT', 0, 100)
  for i = 1, #far do redis.call('ZADD', KEYS[3], string.format('%.0f', farthest), far[i]) end
  if due >= tonumber(beyond) then due = farthest end
end
local dueAt = due and math.floor(due / 4096) or 0
if rules[1] or rules[2] or rules[3] or (due and dueAt <= tonumber(ARGV[2])) then
  reply[1] = 1
  return reply
end
local found = 0
while found < wanted do
  local id = redis.call('RPOPLPUSH', wait, active)
  if not id then break end
  local job = jobs .. id
  local fields = redis.call('HMGET', job, 'name', 'data', 'pb', 'had')
  local had = fields[4] or ''
  if fields[3] and #had < 4096 then
    had = had .. fields[3] .. '\\n'
    redis.call('HSET', job, 'had', had)
  end
  redis.call('SET', job .. ':lock', ARGV[6] .. string.format('%.0f', ARGV[7] + found), 'PX', ARGV[3])
  redis.call('HSET', job, 'processedOn', ARGV[2], 'pb', ARGV[4])
  reply[at + 1], reply[at + 2], reply[at + 3] = id, fields[1], fields[2]
  reply[at + 4], reply[at + 5] = redis.call('HINCRBY', job, 'ats', 1), had
  at, found = at + 5, found + 1
end
local prioritized = redis.call('EXISTS', KEYS[4]) == 1
if found < wanted then
  reply[2] = dueAt
  if prioritized then reply[1] = 1 end
end
if found > 0 and (due or prioritized or redis.call('EXISTS', wait) == 1) then redis.call('ZADD', KEYS[6], 0, '0') end
return reply
`,
)

/**
 * Prolongs claims and notes their heartbeats. A claim that ran out is taken up again if nobody has noticed yet: after
 * a pause of the server all of them have.
 *
 * KEYS[1] stalled set, KEYS[2] active list
 * ARGV[1] what job keys begin with, ARGV[2] life of a claim in ms
 * ARGV[3…] job id, token, deliveries, heartbeat to note; repeated
 * Reply: 'kept', 'withdrawn' or 'lost' for each.
 */
export const renewClaims = luaScript(
  'renew-claims',
  `
local states = {}
for i = 3, #ARGV, 4 do
  local id, token, job = ARGV[i], ARGV[i + 1], ARGV[1] .. ARGV[i]
  local holder = redis.call('GET', job .. ':lock')
  if not holder and redis.call('HGET', job, 'ats') == ARGV[i + 2] and redis.call('LPOS', KEYS[2], id) then
    holder = token
  end
  if holder == token then
    redis.call('SET', job .. ':lock', token, 'PX', ARGV[2])
    redis.call('SREM', KEYS[1], id)
    if redis.call('EXISTS', job) == 1 then redis.call('HSET', job, 'beat', ARGV[i + 3]) end
    states[#states + 1] = 'kept'
  elseif holder == '${withdrawnLock}' then
    states[#states + 1] = 'withdrawn'
  else
    states[#states + 1] = 'lost'
  end
end
return states
`,
)

/**
 * Removes an attempt, whoever has it.
 *
 * KEYS[1] job hash, KEYS[2] its lock, KEYS[3] wait list, KEYS[4] active list, KEYS[5] delayed set, KEYS[6] stalled set
 * ARGV[1] job id, ARGV[2] channel on which its worker hears of it
 * Reply: 1 if it was there.
 */
export const withdrawAttempt = luaScript(
  'withdraw-attempt',
  `
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
if redis.call('LREM', KEYS[4], -1, ARGV[1]) > 0 then
  redis.call('SREM', KEYS[6], ARGV[1])
  redis.call('SET', KEYS[2], '${withdrawnLock}', 'PX', ${withdrawnLockMs})
  redis.call('PUBLISH', ARGV[2], ARGV[1])
elseif redis.call('ZREM', KEYS[5], ARGV[1]) == 0 then
  redis.call('LREM', KEYS[3], -1, ARGV[1])
end
return 1
`,
)

/**
 * KEYS[1] job hash, KEYS[2] its lock
 * Reply: whether it is claimed, then name, ats (deliveries), pb (worker), processedOn and beat of the hash.
 */
export const locateAttempt = luaScript(
  'locate-attempt',
  `
local found = redis.call('HMGET', KEYS[1], 'name', 'ats', 'pb', 'processedOn', 'beat')
local holder = redis.call('GET', KEYS[2])
table.insert(found, 1, (holder and holder ~= '${withdrawnLock}') and 1 or 0)
return found
`,
)

/**
 * Undoes the count of a delivery that never reached a handler.
 *
 * KEYS[1] job hash, KEYS[2] its lock
 * ARGV[1] token, ARGV[2] deliveries with that one: so running it twice is harmless
 */
export const uncountDelivery = luaScript(
  'uncount-delivery',
  `
if redis.call('GET', KEYS[2]) == ARGV[1] and redis.call('HGET', KEYS[1], 'ats') == ARGV[2] then
  redis.call('HINCRBY', KEYS[1], 'ats', -1)
end
return 0
`,
)
