import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('results-loop.mjs', import.meta.url))

/** Runs the script until it waits for results, sends it SIGTERM, and says how it ended. */
async function terminated(...args: string[]): Promise<{ code: number | null; complaints: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', (data: Buffer) => {
    complaints += data.toString()
  })
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  child.kill('SIGTERM')
  const [code] = (await closed) as [number | null]
  return { code, complaints }
}

it('ends a script that loops over results and catches nothing with code 0 and without a word', async () => {
  expect(await terminated()).toEqual({ code: 0, complaints: '' })
})

it('ends it with code 1 and the error if something else goes wrong while it closes', async () => {
  const { code, complaints } = await terminated('with-bug')
  expect(code).toBe(1)
  expect(complaints).toContain('Error: a bug')
})
