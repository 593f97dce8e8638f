import { luaScript } from './lua-script.js'

/** Messages for a run that there is not, or not any more, are kept so long. Milliseconds. */
const keepUnclaimedMs = 30 * 24 * 3600 * 1000

/**
 * Adds messages in one step: a failure leaves none of them, so order survives it. What nobody may ever read runs out:
 * the inbox of a run without a log, until it has one.
 *
 *   KEYS[1] inbox, a stream  KEYS[2] log
 *   ARGV    one message each, as `inboxEntry` writes it
 *   reply   nothing
 *
 * Running it twice adds them twice, in order: the receiver of the log knows a message by its sender and seq.
 */
export const sendScript = luaScript(
  'the send script',
  `
for i = 1, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'm', ARGV[i])
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ${keepUnclaimedMs})
end
return false
`,
)

/**
 * Removes the messages that were handled, and no other: ids of a stream that was lost and begun again, by a server
 * whose clock is behind, may be lower than these and not be read yet.
 *
 *   KEYS[1] inbox
 *   ARGV    ids, in the order in which they were read; at most a few hundred
 *   reply   1: there is something before the last of them, which the reader has passed over; or 0
 */
export const trimScript = luaScript(
  'the trim script',
  `
redis.call('XDEL', KEYS[1], unpack(ARGV))
return #redis.call('XRANGE', KEYS[1], '-', ARGV[#ARGV], 'COUNT', 1)
`,
)

/**
 * Makes an inbox usable again if somebody has added a message under the highest id that there can be: a stream takes no
 * more after that. It is forgotten, once nothing is in it.
 *
 *   KEYS[1] inbox
 *   reply nothing
 */
export const reviveScript = luaScript(
  'the revive script',
  `
if redis.call('XLEN', KEYS[1]) > 0 or redis.call('EXISTS', KEYS[1]) == 0 then return false end
local facts = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #facts, 2 do
  if facts[i] == 'last-generated-id' and facts[i + 1] == '18446744073709551615-18446744073709551615' then
    redis.call('UNLINK', KEYS[1])
  end
end
return false
`,
)
