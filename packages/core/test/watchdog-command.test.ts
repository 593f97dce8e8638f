import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { openRun } from '../src/coordinator/open-run.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import type { Incident } from '../src/watchdog/incident.js'
import { startWatchdog } from '../src/watchdog/start-watchdog.js'

const folder = mkdtempSync(join(tmpdir(), 'reprise-watchdog-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('a command of a watchdog is started with the incident, again when it has failed, and not again when it has not', async () => {
  const path = join(folder, 'told')
  // Fails the first time.
  const program = `const fs = require('fs'); fs.appendFileSync(process.argv[1], fs.readFileSync(0, 'utf8') + '\\n' + process.env.REPRISE_INCIDENT + '\\n'); process.exit(fs.readFileSync(process.argv[1], 'utf8').trim().split('\\n').length === 2 ? 1 : 0)`
  const backend = new MemoryBackend()
  const dying = memoryAdapter({ backend })
  const run = await openRun({ adapter: dying, runId: 'run-1', goal: 'be missed', policy: { leaseTtlMs: 200 } })
  const { epoch } = run.status
  dying.kill()

  const adapter = memoryAdapter({ backend })
  const errors: unknown[] = []
  const watchdog = await startWatchdog({
    ...{ adapter, intervalMs: 50, command: [process.execPath, '-e', program, path] },
    onError: (error) => errors.push(error),
  })
  const incident = await new Promise<Incident>((resolve) => watchdog.once('told', resolve))
  await watchdog.close()
  await adapter.close()
  expect(incident.key).toBe(`coordinator-dead/run-1/${epoch}`)
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([incident, incident, incident, incident])
  expect(errors).toMatchObject([{ code: 'PROGRAM_FAILED' }])
})
