import type { z } from 'zod'
import { RepriseError } from '../protocol/errors.js'

/** `INVALID_ID` if it is none. */
export function checkedId<T>(
  schema: { safeParse(value: unknown): z.ZodSafeParseResult<T> },
  id: string,
  what: string,
): T {
  const parsed = schema.safeParse(id)
  if (parsed.success) return parsed.data
  throw new RepriseError('INVALID_ID', `${id} is not a ${what} id: ${parsed.error.issues[0]?.message}.`)
}
