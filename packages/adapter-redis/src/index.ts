/** Reprise over Redis: the log, leases, inbox and artifacts in Redis, task delivery by BullMQ. */
export { openRedis, type RedisAdapter } from './open-redis.js'
export type { RedisAddress, RedisClient } from './redis-endpoint.js'
export type { OpenRedisOptions } from './redis-options.js'
