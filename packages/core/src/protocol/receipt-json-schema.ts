import { z } from 'zod'
import { taskIdBytesMax, taskIdSchema } from './ids.js'
import { limits } from './limits.js'
import { receiptSchema } from './receipt.js'
import { jsonSchema } from './task.js'

/**
 * The receipt schema as JSON Schema, draft 2020-12, for workers in other languages. What JSON Schema cannot
 * express stands in descriptions: the gates check more than a validator can.
 */
export function receiptJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(receiptSchema, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema: made }) {
      if ((zodSchema as unknown) === taskIdSchema) {
        made.maxLength = taskIdBytesMax
        made.description = `At most ${taskIdBytesMax} bytes of UTF-8, without control, bidi or zero-width characters.`
      }
      if (zodSchema === jsonSchema) {
        made.description = `Any JSON value nested at most ${limits.jsonDepthMax} deep, without keys named __proto__.`
      }
    },
  })
  return {
    $schema,
    $id: 'https://reprise.run/schemas/receipt-v1.json',
    title: 'Reprise receipt, version 1',
    description:
      `What a worker returns for one attempt: at most ${limits.receiptBytesMax} bytes of JSON, of which the output ` +
      `takes at most ${limits.outputBytesMax}. "checksum" is the sha256 of the RFC 8785 text of the receipt without ` +
      '"checksum" and "signature". "signature.value" is the base64 of an Ed25519 signature over ' +
      '"reprise-receipt-v1\\n<keyId>\\n<checksum>\\n".',
    ...schema,
  }
}
