import type { PinnedKey } from '@reprise/core/replay'
import { z } from 'zod'
import { usage } from './command-failure.js'
import { readSmallFile } from './small-file.js'

const keysBytesMax = 256 * 1024
const listSchema = z.array(z.strictObject({ keyId: z.string().optional(), publicKey: z.string().max(1024) })).max(256)

/** Public keys of a file: PEM, one or several, or JSON as in `policy.workerKeys`. */
export async function readPinnedKeys(path: string): Promise<PinnedKey[]> {
  const { text } = await readSmallFile(path, 'public keys', keysBytesMax)
  if (text.includes('PRIVATE KEY')) {
    throw usage(`${path} holds a private key. Give its public half: openssl pkey -in KEY -pubout.`)
  }
  const pems = text.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g)
  if (pems !== null) return pems.map((publicKey) => ({ publicKey }))
  const list = listSchema.safeParse(parsed(text))
  if (list.success) return list.data
  throw usage(`${path} holds no public keys. Give PEM, or JSON like [{ "keyId": "…", "publicKey": "…" }].`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
