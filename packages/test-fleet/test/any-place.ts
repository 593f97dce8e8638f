import { type Place, ProcessFleet, TestFolders } from '@reprise/test-fleet'
import { afterEach } from 'vitest'
import { backends, useBackend } from './backends.js'

/** Where a run may live: what all adapters have in common. */
interface Somewhere {
  readonly fleet: ProcessFleet
  /** Where nobody has been yet. */
  newPlace(): Promise<Place>
}

interface AnyPlace {
  readonly name: 'files' | 'redis' | 'nats'
  /** For the tests of one `describe`. */
  use(): Somewhere
}

const files: AnyPlace = {
  name: 'files',
  use: () => {
    const fleet = new ProcessFleet()
    const folders = new TestFolders()
    afterEach(async () => {
      await fleet.endAll()
      await folders.removeAll()
    })
    return { fleet, newPlace: async () => ({ files: await folders.make() }) }
  },
}

/** Files, Redis and NATS. */
export const anyPlace: readonly AnyPlace[] = [
  files,
  ...backends.map((backend) => ({
    name: backend.name,
    use: () => {
      const stage = useBackend(backend)
      return { fleet: stage.fleet, newPlace: async () => stage.newPlace() }
    },
  })),
]
