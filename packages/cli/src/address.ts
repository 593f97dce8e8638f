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
  // A password with one of / ? # in it would be taken for a host, and be named in what goes wrong.
  if (/[/?#].*@/s.test(text.slice(scheme.length + 2))) throw malformed(text)
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
  const [user, pass] = [decoded(username), decoded(password)]
  if (user === '' && pass !== '') throw usage(`The address ${withoutSecrets(text)} has a password and no user.`)
  const credentials = user === '' ? {} : pass === '' ? { token: user } : { user, pass }
  const names = { ...(prefix !== undefined && { prefix }), ...(inboxPrefix !== undefined && { inboxPrefix }) }
  return { kind: 'nats', servers: `${scheme}//${url.host}`, ...names, credentials }
}

function parse(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw malformed(text)
  }
}

const malformed = (text: string): Error =>
  usage(
    `${withoutSecrets(text)} is not an address. Write it like redis://host:6379 or nats://user:password@host:4222, with %2F, %3F, %23, %40 and %25 for / ? # @ and % in a password.`,
  )

// Of our schemes up to the last @ of the word: what was not written as a URL wants it is a secret too.
const userinfo = /(\b(?:rediss?|nats|tls):\/\/)(\S*)@|(:\/\/)([^@/?#\s]*)@/gi

/** How an address is shown; in a text with several, all of them. */
export const withoutSecrets = (text: string): string =>
  text.replace(userinfo, (_found, ours?: string, _user?: string, other?: string) => `${ours ?? other}***@`)

/** What of the addresses in a text must never be shown. Very short ones would hide half of what is said, and protect nothing. */
export function secretsIn(text: string): string[] {
  const found = [...text.matchAll(userinfo)].flatMap(([, , ours, , other]) => {
    const user = ours ?? other ?? ''
    const password = user.slice(user.indexOf(':') + 1)
    return [user, password].flatMap((part) => [part, decoded(part)])
  })
  // Or half of a longer one would stay.
  return [...new Set(found)].filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
