import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { event } from '../src/flow/decision.js'
import type { RunId } from '../src/protocol/ids.js'
import { brokenIn, outcomeOf } from '../src/replay/outcome-of.js'
import { recordTest } from '../src/replay/record-test.js'
import { dispatch, given, settled, task } from './given-run.js'
import { adapterWith, ended, forkedLines, runId, textOf } from './moved-runs.js'

const hostile = '</script><!-- */ `${process.exit()}` \\ \' " \u2028 \u{1f680} \ud800 \u202e __proto__ %s'

/** Runs a recorded test without vitest: what it imports is given. `outcome`: what a later library would make of the log. */
async function run(source: string, outcome = outcomeOf) {
  const tests: (() => unknown)[] = []
  const plain = source.replace(/^import .*$/gm, '').replace(': string[]', '')
  const call = new Function('outcomeOf', 'brokenIn', 'it', 'expect', 'gunzipSync', plain)
  call(outcome, brokenIn, (_: string, test: () => unknown) => tests.push(test), expect, gunzipSync)
  expect(tests).toHaveLength(2)
  for (const test of tests) await test()
}

describe('a recorded test', () => {
  it('passes for the log that it was made of, at its head, at every version, and for a fork', async () => {
    const { log } = adapterWith(ended)
    const { version } = await recordTest(log, runId)
    for (let until = 1; until <= version; until++) {
      const recorded = await recordTest(log, runId, { until: { version: until } })
      expect(recorded.version).toBe(until)
      await run(recorded.source)
    }
    const fork = 'fork-1' as RunId
    await run((await recordTest(adapterWith(await forkedLines(), fork).log, fork)).source)
  })

  it('fails when one character of its log is another, when an event is folded in another way, or one is missing', async () => {
    const { source } = await recordTest(adapterWith(ended).log, runId)
    await expect(run(source.replace('everything is read', 'everything is dead'))).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
    })
    const otherwise: typeof outcomeOf = (lines, options) => ({ ...outcomeOf(lines, options), status: 'failed' })
    await expect(run(source, otherwise)).rejects.toThrow()
    const last = source.split('\n').findLast((line) => line.startsWith("  '{")) ?? ''
    await expect(run(source.replace(`${last}\n`, ''))).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' })
  })

  it('names the invariant that the log breaks, and where', async () => {
    const forged = given({}, dispatch('a')).commit([event('round-closed', { round: 7, summary: 'x' })])
    const { version } = forged.state
    const { source } = await recordTest(adapterWith(forged.lines).log, runId)
    expect(source).toContain(`{"invariant":"rounds-in-order","version":${version},`)
    await run(source)
    const before = await recordTest(adapterWith(forged.lines).log, runId, { until: { version: version - 1 } })
    expect(before.source).toContain('keeps every invariant')
    await run(before.source)
  })

  it('is safe whatever the log holds: plain ASCII, nothing ends a string, a comment or a script', async () => {
    const run1 = given(
      {},
      dispatch(task('__proto__', { input: hostile }), "it's <b>"),
      { type: 'note', text: hostile },
      { type: 'fail', reason: hostile },
    )
    const { source } = await recordTest(adapterWith(run1.lines).log, runId)
    expect(source).toMatch(/^[\n\x20-\x7e]*$/)
    expect(source).not.toContain('<')
    await run(source)
  })

  it('packs a longer log, and refuses one that is too long for a test unless it has a file for it', async () => {
    const long = given({}, ...Array.from({ length: 100 }, (_, i) => settled(`t${i}`)).flat())
    const packed = (await recordTest(adapterWith(long.lines).log, runId)).source
    expect(packed).toContain('gunzipSync(Buffer.from(')
    expect(packed).not.toContain('"hash"')
    await run(packed)

    const { log } = adapterWith(huge().lines)
    await expect(recordTest(log, runId)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const beside = await recordTest(log, runId, { logFile: 'run-1.jsonl.gz' })
    expect(beside.source).toContain('readFileSync(new URL("./run-1.jsonl.gz", import.meta.url))')
    expect(gunzipSync(beside.log ?? '').toString()).toBe(textOf(huge().lines))
  })

  it('names a log beside it by a plain name only, and has something to tell', async () => {
    const { log } = adapterWith(ended)
    for (const logFile of ['../x.gz', 'a/b.gz', '', '.hidden', 'x"y', 'a b']) {
      await expect(recordTest(log, runId, { logFile })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await expect(recordTest(log, runId, { until: { version: 0 } })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(recordTest(log, runId, { until: { version: 9_999 } })).rejects.toMatchObject({
      code: 'VERSION_UNKNOWN',
    })
    await expect(recordTest(log, 'nobody' as RunId)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })
})

/** More than a test takes in, however well it is packed. */
let made: ReturnType<typeof given> | null = null
function huge() {
  if (made !== null) return made
  made = given()
  let seed = 1
  for (let i = 0; i < 20; i++) {
    const output = Array.from({ length: 20_000 }, () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed.toString(36)
    }).join('')
    made.and(dispatch(task(`t${i}`, { input: output })))
  }
  return made
}
