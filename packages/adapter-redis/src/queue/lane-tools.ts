import type { RedisConnection as BullConnection } from 'bullmq'
import type { RedisConnection } from '../redis-connection.js'
import type { LaneKeys } from './lane-keys.js'
import type { WithdrawalNews } from './withdrawal-news.js'

/** What a consumer works with: its own but for what is shared by the whole adapter. */
export interface LaneTools {
  readonly keys: LaneKeys
  /** For everything that does not block. Shared. */
  readonly connection: RedisConnection
  /** The same connection, as BullMQ sees it. */
  readonly bull: BullConnection
  /** Hears of withdrawals. Shared. */
  readonly news: WithdrawalNews
  /** Waits for jobs. The consumer closes it. */
  readonly blocking: RedisConnection
}
