import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const logPath = (dir: string, runId: string): string => join(dir, 'runs', runId, 'log.jsonl')
export const logBytes = (dir: string, runId: string): Promise<Buffer> => readFile(logPath(dir, runId))
