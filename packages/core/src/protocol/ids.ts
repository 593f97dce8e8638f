import { z } from 'zod'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** Names one run: 1 to 128 of `A-Za-z0-9._:@-`, the first a letter or digit. */
export type RunId = Branded<'RunId'>
/** Names a task in its run, chosen by the caller: 1 to 512 bytes of UTF-8 without control or bidi characters. */
export type TaskId = Branded<'TaskId'>

/** Only the type changes: a transform would cost every receipt and event a step. */
const branded = <Id extends string>(schema: z.ZodString) => schema as unknown as z.ZodType<Id, string>

/** Names that end up in channel names of every transport: short and plain. */
const plainName = (what: string, lengthMax: number) =>
  z
    .string()
    .regex(
      new RegExp(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,${lengthMax - 1}}$`),
      `${what} must be 1 to ${lengthMax} of A-Z a-z 0-9 . _ : @ - and start with a letter or digit`,
    )

// C0, DEL, C1, zero-width and bidi controls, line separators, lone surrogates: they forge terminals, logs and file names.
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

export const taskIdBytesMax = 512

export const runIdSchema = branded<RunId>(plainName('a run id', 128))
export const laneSchema = plainName('a lane', 64)
export const workerIdSchema = plainName('a worker id', 128)
export const kindSchema = plainName('a task kind', 128)
export const taskIdSchema = branded<TaskId>(
  z
    .string()
    .min(1, 'a task id must not be empty')
    .refine((id) => !unprintable.test(id), 'a task id must not contain control, bidi or zero-width characters')
    .refine(
      (id) => id.length * 3 <= taskIdBytesMax || Buffer.byteLength(id) <= taskIdBytesMax,
      `a task id must not exceed ${taskIdBytesMax} bytes of UTF-8`,
    ),
)

/** 64 lower-case hex digits. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 must be 64 lower-case hex digits')
/** What `isoTime` writes; such strings compare as times. */
export const isoTimeSchema = z.string().regex(
  // Ranges too: a 99th month would be a time that never comes and cannot be computed with.
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/,
  'a time must be ISO 8601 in UTC with milliseconds',
)
