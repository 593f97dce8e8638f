import { usage } from './command-failure.js'

/** Where a backend is, read from one text. */
export type Address =
  | { readonly kind: 'files'; readonly dir: string }
  | { readonly kind: 'redis'; readonly url: string; readonly prefix?: string }
  | {
      readonly kind: 'nats'
      readonly servers: string
      readonly prefix?: string
      /** Under which answers come: for users who may listen to nothing else. */
      readonly inboxPrefix?: string
      readonly credentials: { readonly user?: string; readonly pass?: string; readonly token?: string }
    }

const schemes: Readonly<Record<string, Address['kind']>> = {
  'redis:': 'redis',
  'rediss:': 'redis',
  'nats:': 'nats',
  'tls:': 'nats',
}

/**
 * A folder, or `redis://…`, `rediss://…`, `nats://…`, `tls://…`, each with `?prefix=NAME` if it is not `reprise`; on NATS
 * also `?inbox=PREFIX`, where the rights of the user say so.
 */
export function readAddress(text: string): Address {
  const scheme = /^[a-z][a-z0-9+.-]*:(?=\/\/)/i.exec(text)?.[0].toLowerCase()
  if (scheme === undefined) return { kind: 'files', dir: text }
  const kind = schemes[scheme]
  if (kind === undefined) {
    throw usage(`${scheme}// is no backend. Give a folder, redis://…, rediss://…, nats://… or tls://….`)
  }
  const url = parse(text)
  const prefix = url.searchParams.get('prefix') ?? undefined
  const known = kind === 'nats' ? ['prefix', 'inbox'] : ['prefix']
  const unknown = [...url.searchParams.keys()].find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const names = known.map((name) => `?${name}=`).join(' and ')
    throw usage(`The address ${withoutSecrets(text)} has ?${unknown}=: only ${names} is known.`)
  }
  const inboxPrefix = url.searchParams.get('inbox') ?? undefined
  url.search = ''
  if (kind === 'redis') return { kind, url: url.href, ...(prefix !== undefined && { prefix }) }
  const { username, password } = url
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  const credentials = user === '' ? {} : pass === '' ? { token: user } : { user, pass }
  const names = { ...(prefix !== undefined && { prefix }), ...(inboxPrefix !== undefined && { inboxPrefix }) }
  return { kind: 'nats', servers: `${scheme}//${url.host}`, ...names, credentials }
}

function parse(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw usage(
      `${withoutSecrets(text)} is not an address. Write it like redis://host:6379 or nats://user:password@host:4222.`,
    )
  }
}

/**
 * Who and how in an address. To the last @ in one of ours: somebody may have written a password as it is, with / ? # or @,
 * or several addresses. In any other text only what has the right form: hiding more would hide what is said.
 */
const ours = /^((?:[a-z]+=)?(?:rediss?|nats|tls):\/\/)(.*)@/is
const others = /(:\/\/)([^@/?#]*)@/
const withUser = (text: string): RegExp => (ours.test(text) ? ours : others)

/** How an address is shown. */
export const withoutSecrets = (text: string): string => text.replace(withUser(text), '$1***@')

/** What of an address must never be shown. Very short ones would hide half of what is said, and protect nothing. */
export function secretsIn(text: string): string[] {
  const user = withUser(text).exec(text)?.[2]
  if (user === undefined) return []
  const parts = [user, ...user.split(':').slice(user.includes(':') ? 1 : 0)]
  return [...new Set(parts.flatMap((part) => [part, decoded(part)]))].filter((secret) => secret.length >= 4)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
