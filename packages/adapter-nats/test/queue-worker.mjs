// A worker process for the tests of delivery. It says what it does, one line each, and ends when told to on stdin.
import { existsSync } from 'node:fs'
import { namesOf } from '../dist/names.js'
import { NatsConnection } from '../dist/nats-connection.js'
import { natsQueue } from '../dist/queue/nats-queue.js'

const options = JSON.parse(process.argv[2] ?? '{}')
const { url, prefix, workerId, concurrency, claimTtlMs, blockUntil, hold, drainMs } = options

/** @param {unknown[]} words */
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`)

const connection = await NatsConnection.open({ servers: url, requestTimeoutMs: 5_000 })
const queue = natsQueue({ connection, names: namesOf(prefix), replicas: 1, createStreams: true })

/** Stands still as a computation does that never lets go, until that file is there. */
const block = () => {
  while (!existsSync(blockUntil)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
}

/** @type {import('@reprise/core/adapter').DeliveryHandler} */
const handler = async ({ offer, deliveries, signal }) => {
  say('began', offer.taskId, deliveries)
  if (blockUntil !== undefined) block()
  if (!hold) return
  await new Promise((resolve) => {
    if (signal.aborted) resolve(null)
    else signal.addEventListener('abort', resolve, { once: true })
  })
  say('aborted', offer.taskId, signal.reason.code)
}
const consumer = await queue.consume('default', handler, {
  workerId,
  concurrency,
  claimTtlMs,
  onError: (error) => say('error', error),
})
say('listening')

process.stdin.once('data', async () => {
  await consumer.close({ drainMs })
  await queue.close()
  await connection.close()
  process.stdin.destroy()
  // Nothing keeps it from ending.
})
