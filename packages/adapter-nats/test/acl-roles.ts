/** What a user of one role may publish and subscribe to, as the README lists it. */
export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
  /** May answer what it is asked on a subject that it listens to: once each. */
  readonly answers?: boolean
}

export type Role = 'coordinator' | 'worker' | 'inspector' | 'sender'

/** Reads of single messages. A subject behind the name means the newest message of that subject. */
const reads = (stream: string): string[] => [`$JS.API.DIRECT.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}.>`]

/** Reads in order, and going on with what comes later. */
const follows = (stream: string): string[] => [`$JS.API.CONSUMER.CREATE.${stream}.>`, `$JS.FC.${stream}.>`]

const rolesOf = (prefix: string, lane = 'default'): Readonly<Record<Role, Permissions>> => ({
  coordinator: {
    publish: [
      ...reads(`${prefix}-log`),
      ...follows(`${prefix}-log`),
      `$JS.API.STREAM.INFO.${prefix}-log`,
      `${prefix}.log.*`,
      ...reads(`${prefix}-inbox`),
      ...follows(`${prefix}-inbox`),
      `$JS.API.STREAM.PURGE.${prefix}-inbox`,
      `${prefix}.inbox.*`,
      ...reads(`KV_${prefix}-leases`),
      ...follows(`KV_${prefix}-leases`),
      `$KV.${prefix}-leases.>`,
      ...reads(`${prefix}-artifacts`),
      ...reads(`${prefix}-snapshots`),
      `$JS.API.STREAM.PURGE.${prefix}-snapshots`,
      `${prefix}.snapshots.>`,
      `$JS.API.STREAM.PURGE.${prefix}-summaries`,
      `${prefix}.summaries.*`,
      // Delivery.
      `${prefix}.tasks.>`,
      // A lane's consumer is made with the first offer there, and when a worker says that it is missing.
      `$JS.API.CONSUMER.INFO.${prefix}-tasks.*`,
      `$JS.API.CONSUMER.CREATE.${prefix}-tasks.>`,
      // Finding and withdrawing an attempt.
      `$JS.API.STREAM.MSG.GET.${prefix}-tasks`,
      `$JS.API.STREAM.MSG.DELETE.${prefix}-tasks`,
      `${prefix}.lanes.*.withdrawn`,
      `${prefix}.lanes.*.where`,
    ],
    subscribe: ['_INBOX_coordinator.>', `$JS.EVENT.ADVISORY.STREAM.*.${prefix}-log`, `${prefix}.lanes.*.missing`],
  },
  worker: {
    publish: [
      `${prefix}.inbox.*`,
      ...reads(`${prefix}-artifacts`),
      `${prefix}.artifacts.>`,
      // Delivery.
      `$JS.API.CONSUMER.INFO.${prefix}-tasks.${lane}`,
      `$JS.API.CONSUMER.MSG.NEXT.${prefix}-tasks.${lane}`,
      `$JS.ACK.${prefix}-tasks.${lane}.>`,
      `$JS.API.DIRECT.GET.${prefix}-tasks.${prefix}.tasks.${lane}.*`,
      `${prefix}.lanes.${lane}.claimed`,
      `${prefix}.lanes.${lane}.missing`,
    ],
    subscribe: ['_INBOX_worker.>', `${prefix}.lanes.${lane}.*`],
    answers: true,
  },
  inspector: {
    publish: [
      ...reads(`${prefix}-log`),
      ...follows(`${prefix}-log`),
      `$JS.API.STREAM.INFO.${prefix}-log`,
      // Looking into an inbox, message by message.
      `$JS.API.DIRECT.GET.${prefix}-inbox`,
      ...reads(`KV_${prefix}-leases`),
      ...follows(`KV_${prefix}-leases`),
      `$KV.${prefix}-leases.=clock`,
      ...reads(`${prefix}-artifacts`),
      ...reads(`${prefix}-snapshots`),
      ...reads(`${prefix}-summaries`),
      ...follows(`${prefix}-summaries`),
    ],
    subscribe: ['_INBOX_inspector.>'],
  },
  sender: {
    publish: [`${prefix}.inbox.*`],
    subscribe: ['_INBOX_sender.>'],
  },
})

export const roles = ['coordinator', 'worker', 'inspector', 'sender'] as const satisfies readonly Role[]

/** The permissions of a role as a server is configured with them, and as the README shows them. */
export function permissionsText(role: Role, prefix: string, lane: string): string {
  const { publish, subscribe, answers } = rolesOf(prefix, lane)[role]
  const list = (subjects: readonly string[]): string =>
    `[\n${subjects.map((subject) => `    ${JSON.stringify(subject)}\n`).join('')}  ]`
  const lines = [`  publish: ${list(publish)}`, `  subscribe: ${list(subscribe)}`]
  if (answers === true) lines.push('  allow_responses: { max: 1, expires: "5s" }')
  return `{\n${lines.join('\n')}\n}`
}

export const passwordOf = (user: Role | 'admin'): string => `secret-of-${user}`

/** Lines for the configuration of a server: one user for each role, and one who makes the streams. */
export function authorization(prefix: string, lane = 'default'): string {
  const users = roles.map(
    (role) => `{ user: ${role}, password: "${passwordOf(role)}", permissions: ${permissionsText(role, prefix, lane)} }`,
  )
  return `authorization { users: [\n{ user: admin, password: "${passwordOf('admin')}" }\n${users.join('\n')}\n] }\n`
}

/** What `openNats` is told to connect as that role. */
export const connectionOf = (role: Role) => ({
  user: role,
  pass: passwordOf(role),
  inboxPrefix: `_INBOX_${role}`,
})
