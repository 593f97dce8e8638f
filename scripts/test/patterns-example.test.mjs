import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

const main = join(import.meta.dirname, '../../examples/04-patterns/main.mjs')

it('the patterns example goes on in the middle of each pattern, dispatches and settles each task once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reprise-patterns-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, [main], { env: { ...process.env, TMPDIR: folder } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const code = await new Promise((resolve) => child.once('close', resolve))

  expect(output.match(/SIGKILL when .*; the same command again/g)).toHaveLength(4)
  expect(output).toMatch(/^ {2}allOf {5}(\d+) files have (\d+) lines; \2 if each is counted by itself$/m)
  // Told by three lives from the log alone, in the same words.
  expect(new Set(output.match(/^ {2}firstOf .*$/gm))).toHaveLength(1)
  expect(output).toContain('3 others cancelled')
  expect(output).toMatch(/398 numbers, 78 primes; (1\d\d) were settled before/)
  expect(output).toContain('verified, 5 coordinators')
  expect(output).toContain('each dispatched once and settled once: yes')
  expect(output).not.toContain('Error')
  expect(code).toBe(0)
  expect(readdirSync(folder)).toEqual([])
}, 120_000)
