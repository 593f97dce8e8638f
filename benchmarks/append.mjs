// (a) Appending one commit at a time against a bare write + fdatasync loop of the same bytes with the same calls,
// and (b) 64 commands in flight over the whole pipeline.
import { closeSync, constants, fdatasync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { encodeCommit, genesisHash } from '@reprise/core/testing'
import { inTemporaryFolder, median, percentile } from './measure.mjs'

const sync = promisify(fdatasync)

/** @param {{ appends: number, rounds: number }} options */
export function measureAppend({ appends, rounds }) {
  return inTemporaryFolder(async (dir) => {
    const adapter = await openFiles({ dir })
    const ratios = []
    const bare = []
    const ours = []
    const whole = []
    for (let round = 0; round < rounds; round++) {
      const records = makeRecords(appends)
      const bareMs = await bareLoop(join(dir, `bare-${round}`), records)
      const runId = /** @type {import('@reprise/core').RunId} */ (`append-${round}`)
      const start = performance.now()
      for (const record of records) await adapter.log.append(runId, record)
      const oursMs = performance.now() - start
      bare.push((appends / bareMs) * 1000)
      ours.push((appends / oursMs) * 1000)
      ratios.push(bareMs / oursMs)
      whole.push((appends / (await oneByOne(adapter, `pipeline-${round}`, appends))) * 1000)
    }
    await adapter.close()
    return {
      barePerS: median(bare),
      appendPerS: median(ours),
      ratio: median(ratios),
      worstRatio: Math.min(...ratios),
      pipelinePerS: median(whole),
    }
  })
}

/** @param {{ events: number, inFlight: number, rounds: number }} options */
export function measureGroups({ events, inFlight, rounds }) {
  return inTemporaryFolder(async (dir) => {
    const adapter = await openFiles({ dir })
    const perS = []
    for (let round = 0; round < rounds; round++) {
      const run = await openRun({ adapter, runId: `groups-${round}`, goal: 'measure' })
      const start = performance.now()
      let left = events
      const lane = async () => {
        while (left-- > 0)
          await run.note(
            '327 bytes of a note are about what an event of a real run takes on the disk, mode changes aside'.padEnd(
              280,
              '.',
            ),
          )
      }
      await Promise.all(Array.from({ length: inFlight }, lane))
      perS.push((events / (performance.now() - start)) * 1000)
      await run.close()
    }
    await adapter.close()
    return { eventsPerS: median(perS), slowest: Math.min(...perS), fastest: percentile(perS, 1) }
  })
}

/** @param {import('@reprise/adapter-fs').FilesAdapter | any} adapter @param {string} runId @param {number} count */
async function oneByOne(adapter, runId, count) {
  const run = await openRun({ adapter, runId, goal: 'measure' })
  const start = performance.now()
  for (let i = 0; i < count; i++) await run.note('x'.repeat(100))
  const ms = performance.now() - start
  await run.close()
  return ms
}

/** The same calls as the adapter's: the write goes to the page cache, only the sync leaves the thread. @param {string} path @param {{ text: string }[]} records */
async function bareLoop(path, records) {
  mkdirSync(join(path, '..'), { recursive: true })
  const file = openSync(path, constants.O_CREAT | constants.O_RDWR | constants.O_APPEND)
  const start = performance.now()
  for (const { text } of records) {
    writeSync(file, `${text}\n`)
    await sync(file)
  }
  const ms = performance.now() - start
  closeSync(file)
  return ms
}

/** @param {number} count */
function makeRecords(count) {
  const records = []
  let prev = genesisHash
  for (let index = 0; index < count; index++) {
    const header = { index, version: index + 1, epoch: 1, at: new Date().toISOString(), actor: 'bench', prev }
    const record = encodeCommit(header, [JSON.stringify({ type: 'note-added', v: 1, data: { text: 'x'.repeat(60) } })])
    records.push(record)
    prev = record.hash
  }
  return records
}
