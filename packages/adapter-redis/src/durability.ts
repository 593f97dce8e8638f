import { RepriseError } from '@reprise/core/adapter'
import type { ServerFacts } from './server-facts.js'

/** What an acknowledged commit survives: nothing, the end of the server's process, or the end of its system. */
export type Durability = 'nothing' | 'process' | 'os'

const ranks: readonly Durability[] = ['nothing', 'process', 'os']

/** Of the weakest server. What is not known counts as the least that it can mean. */
export function durabilityOf(servers: readonly ServerFacts[]): Durability {
  const weakest = Math.min(...servers.map((facts) => ranks.indexOf(durabilityOfOne(facts))))
  return ranks[weakest] ?? 'nothing'
}

function durabilityOfOne({ appendOnly, appendFsync }: ServerFacts): Durability {
  if (appendOnly !== true) return 'nothing'
  return appendFsync === 'always' ? 'os' : 'process'
}

const settings: Readonly<Record<Exclude<Durability, 'nothing'>, string>> = {
  process: 'appendonly yes',
  os: 'appendonly yes and appendfsync always',
}

/** `UNSAFE_SERVER` unless the servers keep commits as asked for. */
export function requireDurability(servers: readonly ServerFacts[], wanted: 'process' | 'os', where: string): void {
  const found = durabilityOf(servers)
  if (ranks.indexOf(found) >= ranks.indexOf(wanted)) return
  const told = servers.map(
    ({ appendOnly, appendFsync }) => `appendonly ${yesNo(appendOnly)}, appendfsync ${appendFsync ?? 'not told'}`,
  )
  const hidden = servers.some(({ appendOnly, appendFsync }) => appendOnly !== false && appendFsync === null)
  throw new RepriseError(
    'UNSAFE_SERVER',
    `requireDurable: '${wanted}' is not met by Redis at ${where}: it has ${[...new Set(told)].join('; ')}. ` +
      `Set ${settings[wanted]} in redis.conf, or now by CONFIG SET and CONFIG REWRITE.` +
      (hidden ? ' To find out, the user needs the right +config|get.' : ''),
    { details: { where, wanted, found } },
  )
}

const yesNo = (value: boolean | null): string => (value === null ? 'not told' : value ? 'yes' : 'no')
