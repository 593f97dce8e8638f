import { createHash, createPrivateKey, createPublicKey, KeyObject } from 'node:crypto'
import { RepriseError } from '../protocol/errors.js'
import { keyIdSchema } from './checkpoint-text.js'

/** An Ed25519 key that signs checkpoints. */
export interface CheckpointKey {
  /** 1 to 64 of `A-Za-z0-9._-`. Default: `defaultKeyId` of the key. */
  readonly keyId?: string | undefined
  /** PKCS #8 PEM, or a private `KeyObject`. */
  readonly privateKey: string | KeyObject
}

/** Its public half, as it is pinned: the form of `policy.workerKeys`, or PEM. */
export interface PinnedKey {
  /** Absent: whatever the signer calls it. */
  readonly keyId?: string | undefined
  /** SPKI: DER as base64, or PEM. */
  readonly publicKey: string
}

/** The same key always has the same: 16 hex digits of the sha256 of its public half (SPKI DER). */
export const defaultKeyId = (key: KeyObject): string =>
  createHash('sha256')
    .update(publicHalf(key).export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)

const publicHalf = (key: KeyObject): KeyObject => (key.type === 'public' ? key : createPublicKey(key))

/** `INVALID_INPUT` if it is no private Ed25519 key, without a word of what it is. */
export function readSigningKey({ keyId, privateKey }: CheckpointKey): { keyId: string; key: KeyObject } {
  const key = typeof privateKey === 'string' ? orNull(() => createPrivateKey(privateKey)) : privateKey
  if (!(key instanceof KeyObject) || key.type !== 'private' || key.asymmetricKeyType !== 'ed25519') {
    throw new RepriseError(
      'INVALID_INPUT',
      "This is no private Ed25519 key. Pass PKCS #8 PEM text, such as openssl genpkey -algorithm ed25519 makes, or a KeyObject, such as generateKeyPairSync('ed25519') makes.",
    )
  }
  const id = keyIdSchema.safeParse(keyId ?? defaultKeyId(key))
  if (!id.success) throw new RepriseError('INVALID_INPUT', `keyId: ${id.error.issues[0]?.message}.`)
  return { keyId: id.data, key }
}

/** `INVALID_INPUT` if it is no public Ed25519 key. */
export function readPinnedKey({ keyId, publicKey }: PinnedKey): { keyId: string | null; key: KeyObject } {
  const key = publicKey.includes('-----BEGIN')
    ? publicKey.includes('PRIVATE')
      ? null
      : orNull(() => createPublicKey(publicKey))
    : orNull(() => createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' }))
  if (key === null || key.asymmetricKeyType !== 'ed25519') {
    throw new RepriseError(
      'INVALID_INPUT',
      `The key ${keyId ?? 'without an id'} is no public Ed25519 key. Pass SPKI, as PEM or as DER in base64: openssl pkey -in KEY -pubout.`,
    )
  }
  return { keyId: keyId ?? null, key }
}

/** The parser's error may quote the text: it is not passed on. */
function orNull(read: () => KeyObject): KeyObject | null {
  try {
    return read()
  } catch {
    return null
  }
}
