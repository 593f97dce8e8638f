import { hash } from 'node:crypto'
import { limits } from './limits.js'

const encoder = new TextEncoder()
/** Filled and emptied within one call. Every record, receipt and dispatch fits that keeps to the limits. */
const scratch = Buffer.allocUnsafeSlow(limits.commitBytesMax + 4096)

/**
 * sha256 of the UTF-8 bytes of a text, as 64 hex digits. Encoding into a kept buffer and hashing that takes half the
 * time of hashing a long string, and this runs three times per task.
 */
export function sha256(text: string): string {
  const { read, written } = encoder.encodeInto(text, scratch)
  return read === text.length ? hash('sha256', scratch.subarray(0, written)) : hash('sha256', text)
}
