import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeProgram } from '../src/worker/program-result.js'
import { type FoundResult, ResultLines, resultLineBytesMax } from '../src/worker/result-lines.js'

function read(...chunks: (string | Uint8Array)[]): { found: FoundResult; progress: unknown[] } {
  const progress: unknown[] = []
  const lines = new ResultLines((value) => progress.push(value))
  for (const chunk of chunks) lines.push(Buffer.from(chunk as string))
  return { found: lines.end(), progress }
}
const found = (...chunks: (string | Uint8Array)[]): FoundResult => read(...chunks).found
const result = (value: object): FoundResult => ({ found: 'result', value: value as Record<string, unknown> })

describe('the result on standard output', () => {
  it('is the last line that is an object of known keys, with or without a newline behind it', () => {
    expect(found('{"output":1}\nhello\n{"output":2}\nbye')).toEqual(result({ output: 2 }))
    expect(found('{"output":1}')).toEqual(result({ output: 1 }))
    expect(found('  { "output" : {"a":[1]}, "usage": {"tokens": 3} } \r\n')).toEqual(
      result({ output: { a: [1] }, usage: { tokens: 3 } }),
    )
  })

  it('is not a line that is anything else', () => {
    const others = [
      '',
      '{}',
      '[1]',
      '"output"',
      'null',
      '{"level":"info","output":1}',
      '{"error":"x","status":200,"path":"/"}',
    ]
    for (const line of others) expect(found(`${line}\n`)).toEqual({ found: 'nothing' })
  })

  it('is the same however the bytes arrive', () => {
    const text = 'log ä\n{"output":"ä€😀"}\n{"progress":1}\n{"a":1}\n'
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: Buffer.byteLength(text) })), (cuts) => {
        const ends = [...new Set(cuts)].sort((a, b) => a - b)
        const bytes = Buffer.from(text)
        const chunks = [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
        expect(read(...chunks)).toEqual({ found: result({ output: 'ä€😀' }), progress: [1] })
      }),
    )
  })

  it('that is broken is not taken for none', () => {
    for (const line of ['{"output": NaN}', '{"output": "half', '{"status":"completed",}']) {
      expect(found(`{"output":1}\n${line}\n`)).toMatchObject({ found: 'problem', code: 'RESULT_INVALID' })
    }
    const noText = Buffer.concat([Buffer.from('{"output":"'), Buffer.from([0xff]), Buffer.from('"}\n')])
    expect(found(noText)).toMatchObject({ found: 'problem', code: 'RESULT_INVALID' })
    // What is said after it counts.
    expect(found('{"output": NaN}\n{"output": 1}\n')).toEqual(result({ output: 1 }))
  })

  it('that is too long is not taken for none, and is not held', () => {
    const lines = new ResultLines(() => {})
    lines.push(Buffer.from('{"output":"'))
    const before = process.memoryUsage().arrayBuffers
    const chunk = Buffer.alloc(64 * 1024, 'x')
    for (let i = 0; i < 4_096; i++) lines.push(chunk)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 ** 2)
    expect(lines.end()).toMatchObject({ found: 'problem', code: 'RESULT_TOO_LARGE' })
    expect(found(`{"output":"${'y'.repeat(resultLineBytesMax - 13)}"}`)).toMatchObject({ found: 'result' })
  })

  it('does not lie in a long line that is none, which is not held either', () => {
    expect(found('x'.repeat(resultLineBytesMax * 2), '\n{"output":1}\n')).toEqual(result({ output: 1 }))
    expect(found(`{"level":"${'x'.repeat(resultLineBytesMax * 2)}`, '"}\n')).toEqual({ found: 'nothing' })
  })
})

describe('what an attempt of a program comes to', () => {
  const judge = (value: object | null, exitCode: number | null = 0) =>
    judgeProgram({
      endWords: exitCode === null ? 'was ended by SIGSEGV' : `exited with code ${exitCode}`,
      exitCode,
      found: value === null ? { found: 'nothing' } : result(value),
      said: 'no route',
    })

  it.each([
    ['no line, code 0', null, 0, { status: 'completed', output: null }],
    ['an output, code 0', { output: [1] }, 0, { status: 'completed', output: [1] }],
    [
      'no line, code 3',
      null,
      3,
      {
        status: 'failed',
        stop: { retryable: true, code: 'PROGRAM_FAILED', message: 'the program exited with code 3: no route' },
      },
    ],
    ['no line, code 100', null, 100, { status: 'failed', stop: { retryable: false } }],
    [
      'no line, a signal',
      null,
      null,
      { status: 'failed', stop: { retryable: true, message: 'the program was ended by SIGSEGV: no route' } },
    ],
    ['an output, code 3', { output: 1 }, 3, { status: 'failed' }],
    ['a line that says completed, a signal', { status: 'completed' }, null, { status: 'failed' }],
    [
      'a line that says failed, code 0',
      { status: 'failed', error: 'no' },
      0,
      { status: 'failed', stop: { message: 'no', retryable: true } },
    ],
    [
      'an error alone, code 0',
      { error: { message: 'no', code: 'E' } },
      0,
      { status: 'failed', stop: { message: 'no', code: 'E' } },
    ],
    [
      'an error for good, code 3',
      { error: { message: 'no', retryable: false } },
      3,
      { status: 'failed', stop: { message: 'no', retryable: false } },
    ],
    [
      'an error that may be mended, code 100',
      { error: { message: 'no', retryable: true } },
      100,
      { status: 'failed', stop: { retryable: true } },
    ],
    [
      'partial, code 0',
      { status: 'partial', output: 1, stoppedAt: 'p. 3', resumeInstructions: 'go on' },
      0,
      { status: 'partial', output: 1, stop: { stoppedAt: 'p. 3', resumeInstructions: 'go on' } },
    ],
    ['partial, code 1', { status: 'partial', stoppedAt: 'p. 3' }, 1, { status: 'failed', stop: { stoppedAt: 'p. 3' } }],
    ['what it has spent, code 1', { usage: { tokens: 7 } }, 1, { status: 'failed', usage: { tokens: 7 } }],
    [
      'tasks to spawn, code 1',
      { spawn: [{ taskId: 'a', kind: 'k', input: 1 }] },
      1,
      { status: 'failed', spawn: undefined },
    ],
    [
      'a status that there is not',
      { status: 'ok' },
      0,
      { status: 'failed', stop: { code: 'RESULT_INVALID', retryable: true } },
    ],
    ['a task without a kind', { spawn: [{ taskId: 'a' }] }, 0, { status: 'failed', stop: { code: 'RESULT_INVALID' } }],
  ])('%s', (_what, value, code, verdict) => {
    expect(judge(value, code)).toMatchObject(verdict)
  })
})
