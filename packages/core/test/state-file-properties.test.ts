import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readStateFile } from '../src/flow/state-file-text.js'
import { checkProperty } from './property-run.js'
import { follow, type Holding, runId } from './run-stage.js'
import { StateFileStage } from './state-file-stage.js'

const file = 'packages/core/test/state-file-properties.test.ts'

type Act = 'note' | 'edit' | 'remove' | 'restore' | 'fail' | 'heal' | 'kill' | 'stop' | 'go on' | 'close' | 'open'
const acts: fc.Arbitrary<{ act: Act; waitMs: number }[]> = fc.array(
  fc.record({
    act: fc.constantFrom<Act>(
      'note',
      'note',
      'edit',
      'remove',
      'restore',
      'fail',
      'heal',
      'kill',
      'stop',
      'go on',
      'close',
      'open',
    ),
    waitMs: fc.constantFrom(0, 0, 1, 50, 199, 200, 201, 1_000, 20_000),
  }),
  { minLength: 1, maxLength: 30 },
)

/** People and coordinators on one file, in any order: what each of them may rely on. */
class Story {
  readonly stage = new StateFileStage()
  holding: Holding | null = null
  readonly stopped: Holding[] = []
  /** What people wrote and nobody but a coordinator has taken away since. */
  readonly edits: string[] = []
  notes = 0

  async take(act: Act): Promise<void> {
    const { stage, holding } = this
    switch (act) {
      case 'note':
        this.notes++
        return void holding?.run.note(`note ${this.notes}`).catch(() => {})
      case 'edit':
        return this.write(`# Edit ${this.edits.length}\n`)
      case 'remove':
        return this.write(null)
      case 'restore':
        return this.write(stage.file.writes[0] ?? null)
      case 'fail':
        return stage.file.fail('read', 'replace', 'keepAside')
      case 'heal':
        return stage.file.fail()
      case 'kill':
        holding?.adapter.kill()
        this.holding = null
        return
      case 'stop':
        if (holding !== null) this.stopped.push(holding)
        holding?.runtime.pause()
        this.holding = null
        return
      case 'go on':
        for (const { runtime } of this.stopped.splice(0)) runtime.resume()
        return
      case 'close':
        if (holding !== null) await stage.close(holding)
        this.holding = null
        return
      case 'open':
        return this.open()
    }
  }

  async open(): Promise<void> {
    if (this.holding !== null) return
    const opening = follow(this.stage.opening({ takeover: 'now' }))
    await this.stage.clock.runUntil(() => opening.settled)
    // The gate does not pass while the file fails.
    if (opening.error !== undefined) expect(opening.error).toMatchObject({ code: 'STATE_FILE_FAILED' })
    this.holding = opening.value ?? null
  }

  /** Somebody writes over what stands there, be it another edit: that one is gone by their own hand. */
  write(text: string | null): void {
    const there = this.edits.indexOf(this.stage.file.text ?? '')
    if (there >= 0 && !this.stage.file.kept.includes(this.edits[there] as string)) this.edits[there] = ''
    this.stage.file.text = text
    if (text?.startsWith('# Edit')) this.edits.push(text)
  }

  check(): void {
    const { text, kept } = this.stage.file
    for (const edit of this.edits) if (edit !== '') expect([text, ...kept]).toContain(edit)
    const said = readStateFile(text ?? '')
    if (said === null) return
    // Of a commit that is in the log.
    const index = this.stage.commits.findIndex(({ version }) => version === said.version)
    expect(text).toContain(`Written from the log at version ${said.version},`)
    expect(said).toMatchObject({ intact: true, commit: this.stage.backend.recordsOf(runId)[index]?.hash })
  }
}

it('loses no edit, shows nothing that is not in the log, and is that of the log once everybody is well', async () => {
  await checkProperty('loses no edit', file, acts, async (plan) => {
    const story = new Story()
    await story.open()
    for (const { act, waitMs } of plan) {
      await story.take(act)
      await story.stage.clock.advance(waitMs)
      story.check()
    }
    await story.take('heal')
    await story.take('go on')
    await story.stage.clock.advance(60_000)
    if (story.holding?.run.signal.aborted) story.holding = null
    await story.open()
    await story.stage.clock.run(story.holding?.run.note('the end') ?? Promise.resolve())
    await story.stage.clock.advance(10_000)
    story.check()
    expect(story.stage.said).toEqual(story.stage.logged)
  })
})
