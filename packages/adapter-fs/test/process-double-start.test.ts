import { ProcessFleet, startTwice, TestFolders } from '@reprise/test-fleet'
import { afterEach, it } from 'vitest'

const fleet = new ProcessFleet()
const folders = new TestFolders()
afterEach(async () => {
  await fleet.endAll()
  await folders.removeAll()
})

it.each([
  ['politely', 'when-dead'],
  ['by force', 'now'],
] as const)(
  'lets one of two coordinators hold a run that both open %s at the same moment, a hundred times',
  async (_, takeover) => {
    await startTwice(fleet, { files: await folders.make() }, takeover)
  },
  60_000,
)
