import { generateKeyPairSync } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { receiptJsonSchema } from '../src/protocol/receipt-json-schema.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import { defineTask } from '../src/worker/define-task.js'
import { runId, WorkerFleet } from './worker-fleet.js'

const work = defineTask('work', { input: z.boolean(), output: z.object({ ok: z.boolean() }) })

/** Bodies of a completed receipt with everything in it, and of a failed one. */
async function realReceipts(): Promise<Record<string, unknown>[]> {
  const fleet = new WorkerFleet()
  const handler = work.handle(async (ok, task) => {
    if (!ok) throw new AttemptFailure('no', { code: 'NO', retryable: false, stoppedAt: 'a', resumeInstructions: 'b' })
    task.usage({ tokens: 1, costUsd: 0.5 })
    await task.artifact('a.txt', 'content', { mediaType: 'text/plain' })
    task.spawn(work.task('child', true, { after: ['other'], notBefore: new Date(0), timeoutMs: 5, attemptsMax: 1 }))
    return { ok }
  })
  const { privateKey } = generateKeyPairSync('ed25519')
  await fleet.worker([handler], { signingKey: { keyId: 'k', privateKey } })
  for (const ok of [true, false]) await fleet.offer(work.task(`t-${ok}`, ok))
  return fleet.backend.messagesOf(runId).map(({ body }) => JSON.parse(body))
}

describe('the published JSON Schema of a receipt', () => {
  const validate = new Ajv2020({ allErrors: true }).compile(receiptJsonSchema())
  const problems = (value: unknown) => (validate(value) ? [] : validate.errors?.map(({ message }) => message))

  it('is the one that the code gives', async () => {
    const file = fileURLToPath(new URL('../schemas/receipt.schema.json', import.meta.url))
    const remedy = 'if that is meant: npx vitest run packages/core/test/receipt-schema.test.ts --update'
    await expect(`${JSON.stringify(receiptJsonSchema(), null, 2)}\n`, remedy).toMatchFileSnapshot(file)
  })

  it('is draft 2020-12, has an id of its own and knows every key', () => {
    expect(receiptJsonSchema()).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://reprise.run/schemas/receipt-v1.json',
      additionalProperties: false,
    })
  })

  it('takes what a worker sends', async () => {
    const receipts = await realReceipts()
    expect(receipts.map(({ status }) => status)).toEqual(['completed', 'failed'])
    for (const receipt of receipts) expect(problems(receipt)).toEqual([])
  })

  it('refuses a receipt with a key too many, a key too few, or a value of another form', async () => {
    const [receipt] = await realReceipts()
    const { checksum: _checksum, ...without } = receipt ?? {}
    const wrong = [
      { ...receipt, extra: 1 },
      without,
      { ...receipt, v: 2 },
      { ...receipt, runId: '../x' },
      { ...receipt, taskId: '' },
      { ...receipt, taskId: 'x'.repeat(513) },
      { ...receipt, status: 'done' },
      { ...receipt, checksum: 'ABC' },
      { ...receipt, worker: { id: 'w', host: 'h', pid: 1, extra: 1 } },
    ]
    for (const value of wrong) expect(problems(value)).not.toEqual([])
  })
})
