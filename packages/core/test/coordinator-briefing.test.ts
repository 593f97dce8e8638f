import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type BriefingOptions, briefRun } from '../src/coordinator/brief-run.js'
import type { CommitLog } from '../src/ports/commit-log.js'
import type { PolicyInput } from '../src/protocol/policy.js'
import { richRun, textOf } from './briefed-run.js'
import { follow, goal, RunStage, request, requests, runId } from './run-stage.js'

const reason = 'the disk is full'

/** A run with t1 received, t2 out, t3 stopped. */
async function scene(policy: PolicyInput = {}) {
  const stage = new RunStage()
  const holding = await stage.open({ policy: { attemptsMax: 1, ...policy } })
  const { run } = holding
  await stage.clock.run(run.dispatch(requests(3)))
  await stage.answer('t1', { usage: { durationMs: 1, tokens: 30 } })
  await stage.answer('t3', { status: 'failed', output: null, error: { message: 'broke' } })
  return { ...holding, stage, brief: (options?: BriefingOptions) => briefOf(stage, options) }
}

/** By a process that does not hold the run. */
const briefOf = (stage: RunStage, options?: BriefingOptions) =>
  stage.clock.run(briefRun(stage.outside.adapter.log, runId, options))

describe('a briefing of a run', () => {
  it('is the same from the log alone as from who holds it: data, text and token', async () => {
    const { stage, run, brief } = await scene()
    const held = await stage.clock.run(run.briefing())
    expect(await brief()).toEqual(held)
    expect(held.token).toBe(run.contextToken())
    expect(held.text).toContain(`RUN ${runId} at version ${run.status.version}`)
    expect(held.text).toContain(JSON.stringify(goal))
    expect(held.text).toContain(`Context token: ${held.token}\n`)
    expect(held.briefing).toMatchObject({ nextAction: expect.stringContaining('evaluate what came back of task "t1"') })
  })

  it('tells nothing that is not durable, and gives a token for exactly what it tells', async () => {
    const { stage, run } = await scene()
    const { version } = run.status
    const append = stage.hold('log.append', 'before')
    const accepting = follow(run.accept('t1'))
    const briefing = follow(run.briefing())
    await stage.clock.settle()
    expect([accepting.settled, briefing.settled]).toEqual([false, false])
    append.release()
    await stage.clock.runUntil(() => briefing.settled)
    expect(briefing.value?.briefing.version).toBeGreaterThan(version)
    expect(briefing.value?.briefing).toMatchObject({ version: run.status.version, received: { total: 0 } })
    expect(briefing.value?.token).toBe(run.contextToken())
  })

  it('that has ended says so, to who held it, to who opens it and to who reads its log', async () => {
    const { stage, run, brief } = await scene()
    await stage.clock.run(run.fail('no more money'))
    const { text, briefing, token } = await stage.clock.run(run.briefing())
    expect(text).toContain('Status: failed ("no more money"). Mode: closed.')
    expect(text).toContain('Next action: nothing: the run is failed.')
    expect(text).toContain('Now:\n- any: REFUSED, "the run is failed; open a new one"\nContext token: ')
    expect(briefing.holder).toBe(null)
    expect(await brief()).toEqual({ briefing, text, token, tokens: expect.any(Number) })
    const again = await stage.open()
    expect((await stage.clock.run(again.run.briefing())).text).toBe(text)
    expect(await stage.clock.run(again.run.execute({ type: 'note', text: 'x' }, { token }))).toMatchObject({
      code: 'RUN_CLOSED',
    })
  })

  it('that was never resumed says that it must be opened', async () => {
    const stage = new RunStage()
    stage.openBehind(goal)
    const { text, briefing } = await briefOf(stage)
    expect(briefing).toMatchObject({ status: 'running', mode: 'recovering', holder: { id: 'another' } })
    expect(text).toContain('Next action: open the run: its resume gates have not passed yet.')
    expect(briefing.may).toEqual([
      { command: 'any', allowed: false, why: expect.stringContaining('open the run, then ask for a new briefing') },
    ])
  })

  it('that its coordinator let go says so, and its token is stale once somebody opens it', async () => {
    const { stage, brief, ...holding } = await scene()
    await stage.close(holding)
    const { text, token } = await brief()
    expect(text).toContain('Held by nobody.')
    expect(text).toContain('Next action: open the run, which nobody holds; then evaluate what came back of task "t1"')
    const { run } = await stage.open()
    expect(await stage.clock.run(run.execute({ type: 'accept', taskId: 't1' }, { token }))).toMatchObject({
      code: 'STALE_CONTEXT',
      changes: { newest: expect.arrayContaining([expect.objectContaining({ type: 'lock-acquired' })]) },
    })
    const fresh = await stage.clock.run(run.briefing())
    const accepted = await stage.clock.run(run.execute({ type: 'accept', taskId: 't1' }, { token: fresh.token }))
    expect(accepted).toMatchObject({ ok: true })
  })

  it.each(['pause', 'block'] as const)('under a %s tells why nothing goes out, and how to go on', async (how) => {
    const { stage, run, brief } = await scene()
    await stage.clock.run(run[how](reason))
    const held = how === 'pause' ? 'paused' : 'blocked'
    const { text, briefing } = await brief()
    expect(briefing).toMatchObject({ status: held, reason })
    expect(text).toContain(`Status: ${held} ("${reason}"). Mode: evaluating.`)
    expect(text).toContain(`Blocker: "${held}: ${reason}"`)
    expect(text).toContain(`- un${how}: yes, the run is ${held}`)
  })

  it('over its budget tells what is used up, and that nothing more is dispatched', async () => {
    const { stage, run, brief } = await scene({ tokensMax: 20 })
    await stage.clock.run(run.accept('t1'))
    const { text, briefing } = await brief()
    expect(briefing.budgets?.tokens).toEqual({ used: 30, max: 20 })
    expect(text).toContain('30 of 20 tokens')
    expect(text).toContain('- dispatch: REFUSED, "tokensMax is 20 and the run stands at 30"')
    const outcome = await stage.clock.run(
      run.execute({ type: 'dispatch', tasks: [request('new')] }, { token: run.contextToken() }),
    )
    expect(outcome).toMatchObject({ ok: true, report: { dispatched: [], refused: [{ rule: 'tokensMax' }] } })
  })

  it('is fitted to the budget that is asked for, and by default to four thousand tokens', async () => {
    const { brief, run, stage } = await scene()
    for (let i = 0; i < 20; i++) await stage.clock.run(run.note('a long note '.repeat(600)))
    expect(await brief()).toMatchObject({
      tokens: expect.any(Number),
      briefing: { dropped: expect.arrayContaining(['notes but the newest 5']) },
    })
    expect((await brief()).tokens).toBeLessThanOrEqual(4_000)
    const byWords = { tokenBudget: 600, countTokens: (text: string) => text.split(' ').length }
    const { text, tokens } = await brief(byWords)
    expect(tokens).toBe(text.split(' ').length)
    expect(tokens).toBeLessThanOrEqual(600)
    await expect(brief({ tokenBudget: 10 })).rejects.toMatchObject({ code: 'TOO_LARGE', details: { tokenBudget: 10 } })
  })

  it.each([{ tokenBudget: 0 }, { tokenBudget: 1.5 }, { countTokens: 4 as never }, { budget: 3 } as never])(
    'is refused with the options %o',
    async (options) => {
      const { brief } = await scene()
      await expect(brief(options)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    },
  )

  it('that is not there is refused', async () => {
    await expect(briefOf(new RunStage())).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })

  it('is the same, byte for byte, in another process with another time zone and language', async () => {
    const { lines } = richRun()
    const log = {
      read: async function* () {
        yield lines
      },
    } as Partial<CommitLog> as CommitLog
    const here = await briefRun(log, runId)
    const folder = mkdtempSync(join(tmpdir(), 'reprise-briefing-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'log.jsonl'), lines.join('\n'))
    const env = { ...process.env, TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' }
    const script = join(import.meta.dirname, 'brief-log.mjs')
    const { stdout } = await promisify(execFile)(process.execPath, [script, join(folder, 'log.jsonl'), runId], { env })
    expect(stdout).toBe(JSON.stringify(here))
    expect(here.text.replace(here.token, 'TOKEN')).toBe(textOf(richRun()))
  })
})
