import { ProcessFleet, TestFolders } from '@reprise/test-fleet'
import { afterEach, beforeAll } from 'vitest'
import { requireStrace } from './strace.js'
import type { TinyDisk } from './tiny-disk.js'

/** For tests of real processes under strace: what each of them starts, fills or makes is gone after it. */
export function setUpProcesses(): { fleet: ProcessFleet; folders: TestFolders; disks: TinyDisk[] } {
  const fleet = new ProcessFleet()
  const folders = new TestFolders()
  const disks: TinyDisk[] = []
  beforeAll(requireStrace, 120_000)
  afterEach(async () => {
    await fleet.endAll()
    for (const disk of disks.splice(0)) disk.remove()
    await folders.removeAll()
  })
  return { fleet, folders, disks }
}
