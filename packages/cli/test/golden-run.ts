import { readFileSync } from 'node:fs'
import type { Adapter, RunId } from '@reprise/core'
import { readRecordShape } from '@reprise/core/adapter'

/** A whole run with every kind of event, as version 1 wrote it: its times never change. */
export const goldenId = 'run-1' as RunId

export const goldenLines = (name = 'v1-criteria'): string[] =>
  readFileSync(new URL(`../../core/test/golden-logs/${name}.jsonl`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')

/** Appends lines to the log of a run, as they are. */
export async function appendLines(
  adapter: Pick<Adapter, 'log'>,
  lines: readonly string[],
  runId = goldenId,
): Promise<void> {
  for (const text of lines) {
    const shape = readRecordShape(text)
    if (shape === null) throw new Error('a line of the test is no record')
    await adapter.log.append(runId, { ...shape, text })
  }
}
