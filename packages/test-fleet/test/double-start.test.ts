import { startTwice } from '@reprise/test-fleet'
import { describe, it } from 'vitest'
import { backends, useBackend } from './backends.js'

describe.each(backends)('two coordinators over $name that open a run at the same moment', (backend) => {
  const stage = useBackend(backend)

  it.each([
    ['politely', 'when-dead'],
    ['by force', 'now'],
  ] as const)(
    'leave exactly one that can append, a hundred times, %s',
    async (_, takeover) => {
      await startTwice(stage.fleet, stage.newPlace(), takeover)
    },
    120_000,
  )
})
