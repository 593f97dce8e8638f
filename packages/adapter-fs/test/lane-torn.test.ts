import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LaneClaimer } from '../src/lane-claimer.js'
import { LaneFolder } from '../src/lane-folder.js'
import { LaneOfferer } from '../src/lane-offerer.js'
import type { IsGone } from '../src/lane-state.js'
import { anOffer, offersNamed, temporaryFolder } from './delivery-parts.js'

const nobody = null
const gone =
  (claimant: string): IsGone =>
  (offer) =>
    offer.claimant === claimant
const offers = offersNamed(4)
const tasks = offers.map((offer) => offer.taskId as string)

interface Lane {
  readonly folder: LaneFolder
  readonly offersText: Buffer
  readonly claimsText: Buffer
}

/** A lane as a dead worker and a coordinator have left it: all claimed, two settled, one given back. */
async function writtenLane(dir: string): Promise<Lane> {
  const folder = new LaneFolder(join(dir, 'written'))
  const offerer = new LaneOfferer(folder, 1_000_000)
  await offerer.offer(offers)
  const claimer = new LaneClaimer('default', folder)
  const held = claimer.exchange('dead/1', [], 4, nobody)
  const ended = [
    { attempt: held[0]!, againInMs: null },
    { attempt: held[2]!, againInMs: 0 },
    { attempt: held[3]!, againInMs: null },
  ]
  claimer.exchange('dead/1', ended, 0, nobody)
  claimer.close()
  offerer.close()
  const [offersText, claimsText] = [readFileSync(folder.offersPath(1)), readFileSync(folder.claimsPath(1))]
  return { folder, offersText, claimsText }
}

function laneWith(dir: string, name: string, offersText: Buffer, claimsText: Buffer): LaneFolder {
  const folder = new LaneFolder(join(dir, name))
  mkdirSync(folder.offers, { recursive: true })
  mkdirSync(folder.claims, { recursive: true })
  writeFileSync(folder.offersPath(1), offersText)
  writeFileSync(folder.claimsPath(1), claimsText)
  return folder
}

/** What a worker gets when it takes everything that it can, of the dead one's claims too. */
function takeAll(folder: LaneFolder): string[] {
  const claimer = new LaneClaimer('default', folder)
  const got = claimer.exchange('heir/1', [], 10, gone('dead/1'))
  expect(claimer.exchange('other/1', [], 10, nobody)).toEqual([])
  claimer.close()
  return got.map((attempt) => `${attempt.offer.taskId}#${attempt.deliveries}`)
}

describe('a lane whose files were cut off', () => {
  it('at any byte of the offers has each of them once after they are offered again', async () => {
    const dir = temporaryFolder()
    const { offersText } = await writtenLane(dir)
    for (let cut = 0; cut <= offersText.length; cut++) {
      const folder = laneWith(dir, `offers-${cut}`, offersText.subarray(0, cut), Buffer.alloc(0))
      const offerer = new LaneOfferer(folder, 1_000_000)
      await offerer.offer(offers)
      offerer.close()
      expect(takeAll(folder).sort(), `cut at ${cut}`).toEqual(tasks.map((task) => `${task}#1`))
    }
  })

  it('at any byte of the claims delivers again at least what was not settled, and never more than once', async () => {
    const dir = temporaryFolder()
    const { offersText, claimsText } = await writtenLane(dir)
    const lines = claimsText.toString('latin1').split('\n')
    for (let cut = 0; cut <= claimsText.length; cut++) {
      const folder = laneWith(dir, `claims-${cut}`, offersText, claimsText.subarray(0, cut))
      const whole = claimsText.subarray(0, cut).toString('latin1').split('\n').length - 1
      const settled = lines.slice(0, whole).some((line) => line.includes('["s"'))
      const generation = whole === 0 ? 1 : 2
      const open = settled ? ['task-1', 'task-2'] : tasks
      expect(takeAll(folder).sort(), `cut at ${cut}`).toEqual(open.map((task) => `${task}#${generation}`))
    }
  })

  it('with a byte changed anywhere in the claims delivers what is not settled', async () => {
    const dir = temporaryFolder()
    const { offersText, claimsText } = await writtenLane(dir)
    for (let at = 0; at < claimsText.length; at++) {
      const changed = Buffer.from(claimsText)
      changed[at] = changed[at]! ^ 0x04
      const got = takeAll(laneWith(dir, `flip-${at}`, offersText, changed)).map((task) => task.slice(0, -2))
      expect(new Set(got).size, `changed at ${at}`).toBe(got.length)
      expect(got, `changed at ${at}`).toEqual(expect.arrayContaining(['task-1', 'task-2']))
    }
  })

  it('takes no claim for one on an offer that was written later in the same place', async () => {
    const dir = temporaryFolder()
    const { claimsText } = await writtenLane(dir)
    // The power failed: the offers are lost, the claims are not, and others are offered now.
    const folder = laneWith(dir, 'reused', Buffer.alloc(0), claimsText)
    const others = ['task-5', 'task-6', 'task-7', 'task-8']
    const offerer = new LaneOfferer(folder, 1_000_000)
    await offerer.offer(others.map((task) => anOffer(task)))
    offerer.close()
    expect(takeAll(folder)).toEqual(others.map((task) => `${task}#1`))
  })
})

describe('two claims on one offer', () => {
  it('are decided by their order in the file, the same for all', async () => {
    const { folder } = await writtenLane(temporaryFolder())
    const [a, b] = [new LaneClaimer('default', folder), new LaneClaimer('default', folder)]
    const first = a.exchange('a/1', [], 1, gone('dead/1'))
    const second = b.exchange('b/1', [], 4, gone('dead/1'))
    expect(first.map((attempt) => attempt.offer.taskId)).toEqual(['task-1'])
    expect(second.map((attempt) => attempt.offer.taskId)).toEqual(['task-2'])
    b.readClaims()
    expect(b.claimedByOthers('b/1').map(({ claimant }) => claimant)).toEqual(['a/1'])
  })

  it('are found again by a worker that could not learn of its own', async () => {
    const { folder } = await writtenLane(temporaryFolder())
    const [a, b] = [new LaneClaimer('default', folder), new LaneClaimer('default', folder)]
    b.exchange('b/1', [], 1, gone('dead/1'))
    const unlearnt = a.exchange('b/1', [], 1, gone('dead/1'))
    b.readClaims()
    const adopted = b.adopt('b/1', (slot) => slot.generation === 2 && slot.at !== unlearnt[0]?.slot.at)
    expect(adopted.map(({ offer }) => offer)).toEqual(unlearnt.map(({ offer }) => offer))
  })

  it('leave the settling to the newer one', async () => {
    const { folder } = await writtenLane(temporaryFolder())
    const [a, b] = [new LaneClaimer('default', folder), new LaneClaimer('default', folder)]
    const [late] = a.exchange('a/1', [], 1, gone('dead/1'))
    const [current] = b.exchange('b/1', [], 1, gone('a/1'))
    expect(current?.offer).toEqual(late?.offer)
    a.exchange('a/1', [{ attempt: late!, againInMs: null }], 0, nobody)
    b.readClaims()
    expect(current?.held).toBe(true)
    a.readClaims()
    expect(late?.held).toBe(false)
  })
})
