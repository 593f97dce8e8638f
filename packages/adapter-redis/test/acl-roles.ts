export type Role = 'coordinator' | 'worker' | 'inspector'

const script = '+eval +evalsha'
const lease = `${script} +time +hmget +hget +hset +pexpire +del`
const readLease = `${script} +time +hmget`

/**
 * What each role needs on Redis 7, and no more, as the arguments of `ACL SETUSER <name> on ><password> …`. The README
 * shows the same. Each bracket is a selector: these commands, on these keys; a script may do what its caller may.
 */
export const roles = (prefix: string): Readonly<Record<Role, readonly string[]>> => ({
  coordinator: [
    'resetchannels',
    '-@all +ping +info +config|get',
    `(${script} +hmget +hset +hincrby +pexpire +persist +xlen +xrange +xrevrange +xadd +xread +exists +unlink ~{${prefix}:run:*}:*)`,
    `(+xdel +xinfo|stream ~{${prefix}:run:*}:inbox)`,
    `(+hlen +rename ~{${prefix}:run:*}:snapshot ~{${prefix}:run:*}:snapshot:*)`,
    `(+zadd +zrange +zrem ~{${prefix}:runs})`,
    `(${lease} ~{${prefix}:lease:*})`,
    `(${script} +time +zadd +zrange +zremrangebyscore ~{${prefix}:leases})`,
    `(+get ${script} ~{${prefix}:artifact:*})`,
    `(${script} +hget +hstrlen ~{${prefix}:bytes:*})`,
    `(+xadd +pexpire +unlink ~{${prefix}:probe:*})`,
    ...queueRules(prefix).coordinator,
  ],
  worker: [
    'resetchannels',
    '-@all +ping +info',
    `(${script} +exists ~{${prefix}:run:*}:inbox ~{${prefix}:run:*}:log)`,
    `(+xadd +pexpire +persist ~{${prefix}:run:*}:inbox)`,
    `(${lease} ~{${prefix}:lease:worker%002f*})`,
    `(${script} +time +zadd +zremrangebyscore ~{${prefix}:leases})`,
    `(${script} +get +set ~{${prefix}:artifact:*})`,
    `(${script} +hget +hset +hlen +hstrlen +pexpire +persist +unlink ~{${prefix}:bytes:*})`,
    ...queueRules(prefix).worker,
  ],
  inspector: [
    'resetchannels',
    '-@all +ping +info',
    `(${script} +hmget +xlen +xrange +xread +exists ~{${prefix}:run:*}:log ~{${prefix}:run:*}:head ~{${prefix}:run:*}:summary)`,
    `(+xrange ~{${prefix}:run:*}:inbox)`,
    `(+hmget ~{${prefix}:run:*}:snapshot)`,
    `(+zrange ~{${prefix}:runs})`,
    `(${readLease} ~{${prefix}:lease:*})`,
    `(${script} +time +zrange ~{${prefix}:leases})`,
    `(+get ${script} ~{${prefix}:artifact:*})`,
    `(${script} +hget +hstrlen ~{${prefix}:bytes:*})`,
    ...queueRules(prefix).inspector,
  ],
})

/** The part of the delivery. Whoever may touch a lane may take its work and give it back: one lane per trust domain. */
const queueRules = (prefix: string): Readonly<Record<Role, readonly string[]>> => {
  // With the name of a lane in place of the star, a worker sees that lane only.
  const [jobs, news] = [`~{${prefix}:lane:*}:tasks:*`, `&{${prefix}:lane:*}:withdrawn`]
  return {
    coordinator: [
      `(+sadd +smembers ~{${prefix}:lanes})`,
      `(${script} +del +exists +get +hget +hmget +hset +lpush +lrem +set +srem +zadd +zrem ${jobs})`,
      `(+publish ${news})`,
    ],
    worker: [`(${script} ${claimCommands} ${jobs})`, `(+subscribe +unsubscribe ${news})`],
    inspector: [`(+smembers ~{${prefix}:lanes})`, `(${script} +get +hmget ${jobs})`],
  }
}

/** What the scripts of BullMQ 6.7.0 call to claim, delay, give back and look for the dead, and ours to settle and renew. */
const claimCommands = [
  '+bzpopmin +del +exists +get +hget +hgetall +hincrby +hmget +hmset +hset +llen +lpos +lpush +lrange +lrem +pttl',
  '+rpoplpush +rpush +sadd +scard +set +smembers +srem +xadd +xtrim +zadd +zcard +zpopmin +zrange +zrangebyscore',
  '+zrem +zrevrangebyscore',
].join(' ')

/** The arguments of `ACL SETUSER`: a bracket is one argument, other words one each. */
export const aclArguments = (rules: readonly string[]): string[] =>
  rules.flatMap((rule) => (rule.startsWith('(') ? [rule] : rule.split(' ')))
