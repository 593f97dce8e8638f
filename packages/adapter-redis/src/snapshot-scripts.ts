import { luaScript } from './lua-script.js'

/**
 * Puts an upload in the place of a run's snapshot, if the run has a log and all pieces are there. Fields of both are the
 * numbers of their pieces, and `id`, which upload it was.
 *
 *   KEYS[1] head of the log  KEYS[2] snapshot, a hash  KEYS[3] upload, a hash
 *   ARGV[1] number of pieces  ARGV[2] id of the upload
 *   reply `kept`; `unknown`: the run has no log, and the upload is gone; `lost`: pieces are missing
 *
 * Running it twice is harmless: the second time the snapshot is that upload.
 */
export const keepSnapshotScript = luaScript(
  'the keep snapshot script',
  `
if tonumber(redis.call('HMGET', KEYS[1], 'index')[1] or '-1') < 0 then
  redis.call('UNLINK', KEYS[3])
  return 'unknown'
end
if redis.call('HMGET', KEYS[2], 'id')[1] == ARGV[2] then return 'kept' end
if redis.call('HLEN', KEYS[3]) ~= tonumber(ARGV[1]) then return 'lost' end
redis.call('HSET', KEYS[3], 'id', ARGV[2])
redis.call('RENAME', KEYS[3], KEYS[2])
redis.call('PERSIST', KEYS[2])
return 'kept'
`,
)
