import { type CommitLog, type CommitRecord, isRepriseError, type RunId } from '@reprise/core/adapter'
import { encodeCommit, genesisHash } from '@reprise/core/testing'

export const runId = (id: string): RunId => id as RunId

export const noteEvent = (text: string): string => JSON.stringify({ type: 'note-added', v: 1, data: { text } })
export const completedEvent = JSON.stringify({ type: 'run-completed', v: 1, data: { summary: 'done' } })

/** The record that follows `previous`, with one event. */
export function recordAfter(previous: CommitRecord | undefined, event: string): CommitRecord {
  const index = previous === undefined ? 0 : previous.index + 1
  const at = '2030-01-01T00:00:00.000Z'
  const prev = previous?.hash ?? genesisHash
  return encodeCommit({ index, version: index + 1, epoch: 0, at, actor: 'test', prev }, [event])
}

/** `count` records that go on from `base`. */
export function history(count: number, label = 'commit', base: readonly CommitRecord[] = []): CommitRecord[] {
  const records: CommitRecord[] = []
  for (let i = 0; i < count; i++) records.push(recordAfter(records.at(-1) ?? base.at(-1), noteEvent(`${label} ${i}`)))
  return records
}

export const textsOf = (records: readonly CommitRecord[]): string[] => records.map(({ text }) => text)

export async function appendAll(log: CommitLog, run: RunId, records: readonly CommitRecord[]): Promise<void> {
  for (const record of records) await log.append(run, record)
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export const readAll = async (log: CommitLog, run: RunId, from = 0): Promise<string[]> =>
  (await collect(log.read(run, from))).flat()

/** The code with which `call` fails, or `'ok'`. Anything but a `RepriseError` fails the test as it is. */
export async function codeOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
    return 'ok'
  } catch (error) {
    if (isRepriseError(error)) return error.code
    throw error
  }
}

/** The error with which `call` fails; one that does not fail fails the test. */
export async function failureOf(call: () => Promise<unknown>): Promise<Error> {
  try {
    await call()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('It did not fail.')
}

/** Waits until `condition` holds, looking again and again, for 20 s. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`After 20 s it still does not hold that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
