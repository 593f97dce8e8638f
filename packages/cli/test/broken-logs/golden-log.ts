import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const golden = readFileSync(new URL('../../../core/test/golden-logs/v1.jsonl', import.meta.url), 'utf8')

export interface PlainCommit {
  index: number
  version: number
  prev: string
  at: string
  actor: string
  epoch: number
  events: { type: string; v: number; data: Record<string, unknown> }[]
}

/** The lines of the golden log as those of this run, with a right chain. `edit` may change each commit before it is hashed. */
export function linesOf(runId: string, edit: (commit: PlainCommit) => void = () => {}): string[] {
  let prev = '0'.repeat(64)
  return golden
    .trimEnd()
    .split('\n')
    .map((line) => {
      const text = line.slice(line.indexOf('"commit":') + 9, -1)
      const commit: PlainCommit = JSON.parse(text.replaceAll('"runId":"run-1"', `"runId":${JSON.stringify(runId)}`))
      commit.prev = prev
      edit(commit)
      const record = recordOf(JSON.stringify(commit))
      prev = record.hash
      return record.text
    })
}

/** A line with the right hash around any text. */
export function recordOf(commit: string): { hash: string; text: string } {
  const hash = createHash('sha256').update(commit).digest('hex')
  return { hash, text: `{"hash":"${hash}","commit":${commit}}` }
}

export const commitOf = (line: string): PlainCommit => JSON.parse(line).commit
export const hashOf = (line: string): string => JSON.parse(line).hash
