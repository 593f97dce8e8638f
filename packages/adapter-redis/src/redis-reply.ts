import { isAscii, isUtf8 } from 'node:buffer'
import { RepriseError } from '@reprise/core/adapter'

/** A reply that is not what the command or script promises: another program's doing, or a proxy's. */
function unexpected(reply: unknown, wanted: string): never {
  const found = reply === null ? 'nothing' : typeof reply
  throw new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Redis replied with ${found} where ${wanted} was expected. Whether the call took effect is not known. Look whether a proxy or another program answers at this address.`,
    { details: { found, wanted } },
  )
}

export const asArray = (reply: unknown): readonly unknown[] =>
  Array.isArray(reply) ? reply : unexpected(reply, 'a list')

export const asBuffer = (reply: unknown): Buffer => (Buffer.isBuffer(reply) ? reply : unexpected(reply, 'a text'))

/** Of a text that is known to be plain, or for which damage does not matter. */
export const asText = (reply: unknown): string => asBuffer(reply).toString('utf8')

export const asNumber = (reply: unknown): number => (typeof reply === 'number' ? reply : Number(asText(reply)))

/**
 * The text that these bytes are, or `null` if they are none. The usual decoding turns every damaged byte into U+FFFD,
 * which an intact text may contain as well.
 */
export function strictText(bytes: Buffer): string | null {
  // Most texts are ASCII, for which this takes a third less time.
  if (isAscii(bytes)) return bytes.toString('latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}
