import { createPrivateKey, KeyObject, sign } from 'node:crypto'
import { RepriseError } from '../protocol/errors.js'
import { type Receipt, signedBytes } from '../protocol/receipt.js'

/** A worker's Ed25519 key. The policy of a run pins its public half under the same `keyId`. */
export interface SigningKey {
  /** 1 to 64 of `A-Za-z0-9._-`. */
  readonly keyId: string
  /** PKCS #8 PEM, or a private `KeyObject`. */
  readonly privateKey: string | KeyObject
}

export type ReceiptSigner = (checksum: string) => NonNullable<Receipt['signature']>

/** Reads the key once. `INVALID_INPUT` if it is no private Ed25519 key, without a word of what it is. */
export function receiptSigner({ keyId, privateKey }: SigningKey): ReceiptSigner {
  if (typeof keyId !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(keyId)) {
    throw new RepriseError('INVALID_INPUT', 'signingKey.keyId must be 1 to 64 of A-Z a-z 0-9 . _ -')
  }
  const key = readKey(keyId, privateKey)
  if (!(key instanceof KeyObject) || key.type !== 'private' || key.asymmetricKeyType !== 'ed25519') throw noKey(keyId)
  return (checksum) => ({ keyId, value: sign(null, signedBytes(keyId, checksum), key).toString('base64') })
}

function readKey(keyId: string, privateKey: string | KeyObject): KeyObject {
  if (typeof privateKey !== 'string') return privateKey
  try {
    return createPrivateKey(privateKey)
  } catch {
    // The parser's error may quote the text: it is not passed on.
    throw noKey(keyId)
  }
}

const noKey = (keyId: string): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `signingKey ${keyId} is no private Ed25519 key. Pass PKCS #8 PEM text or a KeyObject, such as generateKeyPairSync('ed25519') makes.`,
  )
