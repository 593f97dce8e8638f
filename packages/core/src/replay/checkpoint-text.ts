import { z } from 'zod'
import { RepriseError } from '../protocol/errors.js'
import { isoTimeSchema, runIdSchema, sha256Schema } from '../protocol/ids.js'

export const keyIdSchema = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'a key id must be 1 to 64 of A-Z a-z 0-9 . _ -')

export const checkpointSchema = z.strictObject({
  v: z.literal(1),
  runId: runIdSchema,
  /** Commits that the log had, and events in them. */
  commits: z.number().int().min(1),
  version: z.number().int().min(1),
  /** Hash of the last of them, which fixes all of them, and of the first. */
  head: sha256Schema,
  first: sha256Schema,
  /** By the signer's clock: nothing proves it. */
  at: isoTimeSchema,
  keyId: keyIdSchema,
})
/** What somebody who holds a key says about a log. */
export type Checkpoint = Readonly<z.output<typeof checkpointSchema>>

const beforeSignature = '{"signature":"'
const afterSignature = '","checkpoint":'
const form = /^\{"signature":"([A-Za-z0-9+/]{86}==)","checkpoint":(\{[^\n]*\})\}\n?$/

/** Far more than the longest. */
export const checkpointBytesMax = 4096

/** What is signed: the tag keeps a signature from being taken for one of a receipt, or of anything else. */
export const checkpointBytes = (statement: string): Buffer => Buffer.from(`reprise-checkpoint-v1\n${statement}`)

/** One line, with a newline. The signature is over the exact bytes of the statement inside. */
export const checkpointText = (statement: string, signature: Buffer): string =>
  `${beforeSignature}${signature.toString('base64')}${afterSignature}${statement}}\n`

/** `INVALID_INPUT` if it is no checkpoint. Says nothing about the signature. */
export function readCheckpoint(text: string): { checkpoint: Checkpoint; statement: string; signature: Buffer } {
  const [, signature, statement] = (text.length <= checkpointBytesMax && form.exec(text)) || []
  if (signature === undefined || statement === undefined) throw noCheckpoint('it does not have the form of one')
  let value: unknown
  try {
    value = JSON.parse(statement)
  } catch {
    throw noCheckpoint('its statement is no JSON')
  }
  const parsed = checkpointSchema.safeParse(value)
  const bytes = Buffer.from(signature, 'base64')
  // The last digit has bits that count for nothing: one signature, one text.
  if (bytes.toString('base64') !== signature) throw noCheckpoint('its signature is not written as base64 is')
  if (parsed.success) return { checkpoint: parsed.data, statement, signature: bytes }
  const [issue] = parsed.error.issues
  throw noCheckpoint(`${issue?.path.join('.') || 'statement'}: ${issue?.message}`)
}

const noCheckpoint = (why: string): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `This is no checkpoint: ${why}. Pass the text exactly as signCheckpoint gave it; of a later version, use a later library.`,
  )
