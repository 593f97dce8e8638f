// What the log says happened, counted by a program that took no part in it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readCommits } from '@reprise/core'
import { count, runId } from './tasks.mjs'

/** @param {import('@reprise/core').Adapter['log']} log */
export async function auditLog(log) {
  /** @type {Map<string, number>} how often something happened that must happen once */
  const times = new Map()
  /** @type {Set<string>} */
  const coordinators = new Set()
  /** @type {Map<string, number>} words by document */
  const counts = new Map()
  /** @type {Map<string, unknown>} */
  const outputs = new Map()
  const once = (/** @type {string} */ what) => times.set(what, (times.get(what) ?? 0) + 1)
  for await (const { events } of readCommits(log, runId)) {
    for (const { type, data } of events) {
      if (type === 'lock-acquired') coordinators.add(data.holder.id)
      else if (type === 'dispatched') once(`dispatch of ${data.taskId}, attempt ${data.attempt}`)
      else if (type === 'receipt-received') outputs.set(data.receipt.taskId, data.receipt.output)
      else if (type === 'task-accepted') {
        once(`acceptance of ${data.taskId}`)
        const [kind, path] = [data.taskId.split(':')[0], data.taskId.slice(data.taskId.indexOf(':') + 1)]
        if (kind === count.kind) counts.set(path, count.parseOutput(outputs.get(data.taskId)).words)
      }
    }
  }
  return { coordinators, counts, more: [...times].filter(([, many]) => many > 1).map(([what]) => what) }
}

/** Documents whose words are not what was accepted. @param {Map<string, number>} counts @param {string} root */
export async function recount(counts, root) {
  const different = []
  for (const [path, words] of counts) {
    const found = (await readFile(join(root, path), 'utf8'))
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '').length
    if (found !== words) different.push(`${path} has ${found} words, not ${words}`)
  }
  return different
}
