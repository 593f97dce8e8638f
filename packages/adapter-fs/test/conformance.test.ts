import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAdapterProcess, testAdapter } from '@reprise/conformance'
import { describe, expect, it } from 'vitest'
import { openFiles } from '../src/index.js'

const script = new URL('./adapter-process.mjs', import.meta.url)

const create = async () => {
  const dir = await mkdtemp(join(tmpdir(), 'reprise-'))
  return { dir, open: () => openFiles({ dir }), openMortal: () => openAdapterProcess(script, { dir }) }
}
const teardown = ({ dir }: { dir: string }) => rm(dir, { recursive: true })

testAdapter(
  {
    name: 'files',
    create,
    teardown,
    capabilities: { artifacts: true, snapshots: true, summaries: true, earlierWorkers: true },
    ttlMs: 1_500,
  },
  { describe, it, expect },
)
