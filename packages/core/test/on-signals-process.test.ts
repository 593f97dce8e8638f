import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('results-loop.mjs', import.meta.url))

interface End {
  readonly code: number | null
  readonly said: string
  readonly complaints: string
}

/** Runs the script, sends it these signals once it waits for results, and says how it ended. */
async function endOf(args: readonly string[], ...signals: NodeJS.Signals[]): Promise<End> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const heard = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => {
    heard.out += data.toString()
  })
  child.stderr.on('data', (data: Buffer) => {
    heard.err += data.toString()
  })
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  for (const signal of signals) child.kill(signal)
  const [code] = (await closed) as [number | null]
  return { code, said: heard.out, complaints: heard.err }
}

it('ends a script that loops over results and catches nothing with code 0 and without a word', async () => {
  expect(await endOf([], 'SIGTERM')).toEqual({ code: 0, said: 'waiting\nlet go\n', complaints: '' })
})

it.each(['SIGINT', 'SIGHUP'] as const)('lets the run go and ends with code 0 at %s', async (signal) => {
  expect(await endOf([], signal)).toEqual({ code: 0, said: 'waiting\nlet go\n', complaints: '' })
})

it('ends it with code 1 and the error if something else goes wrong while it closes', async () => {
  const { code, said, complaints } = await endOf(['with-bug'], 'SIGTERM')
  expect([code, said]).toEqual([1, 'waiting\nlet go\n'])
  expect(complaints).toContain('Error: a bug')
})

it.each(['throws', 'rejects'])('lets the run go and ends with code 1 and the error when it %s', async (way) => {
  const { code, said, complaints } = await endOf([way])
  expect(code).toBe(1)
  expect(said).toBe('waiting\nlet go\n')
  expect(complaints).toContain('uncaught: Error: nobody caught this: first')
  expect(complaints.includes('uncaught while closing: Error: nobody caught this: second')).toBe(way === 'rejects')
})

it('leaves an error that nobody caught to Node.js if it is told to', async () => {
  const { code, said, complaints } = await endOf(['throws', 'as-node-does'])
  expect([code, said]).toEqual([1, 'waiting\n'])
  expect(complaints).toContain('Error: nobody caught this')
  expect(complaints).not.toContain('uncaught:')
})

it('ends at once at the second signal although closing hangs', async () => {
  // Two of a kind may become one on their way to a process: these two cannot.
  const { code } = await endOf(['hangs'], 'SIGTERM', 'SIGHUP')
  expect([128 + constants.signals.SIGHUP, 128 + constants.signals.SIGTERM]).toContain(code)
})
