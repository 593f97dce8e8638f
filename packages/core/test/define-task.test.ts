import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { isRepriseError } from '../src/protocol/errors.js'
import { taskRequestSchema } from '../src/protocol/task.js'
import { defineTask } from '../src/worker/define-task.js'
import { PartialResult } from '../src/worker/task-context.js'

const digest = defineTask('digest', {
  input: z.object({ path: z.string(), depth: z.number().default(1) }),
  output: z.object({ lines: z.number(), at: z.iso.date().transform((text) => text.split('-')) }),
})

const codeOf = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return isRepriseError(error) ? error.code : error
  }
  return 'nothing was thrown'
}

describe('defineTask', () => {
  it('makes a request that the dispatch command takes', () => {
    const request = digest.task('a.txt', { path: 'a.txt' }, { lane: 'io', priority: 7, after: ['b'], attemptsMax: 2 })
    expect(request).toEqual({
      taskId: 'a.txt',
      kind: 'digest',
      input: { path: 'a.txt' },
      lane: 'io',
      priority: 7,
      after: ['b'],
      attemptsMax: 2,
    })
    expect(taskRequestSchema.parse(request).taskId).toBe('a.txt')
  })

  it('refuses an input that does not fit, naming the task and the issue', () => {
    const call = () => digest.task('a.txt', { path: 7 } as unknown as { path: string })
    expect(codeOf(call)).toBe('INVALID_INPUT')
    expect(call).toThrow(/"a\.txt".*path/s)
  })

  it('sends the input as the caller wrote it, so that the same call gives the same task in every version', () => {
    expect(digest.task('a', { path: 'a' }).input).toEqual({ path: 'a' })
  })

  it('writes notBefore as the log does, from a Date or from a string with a zone', () => {
    const at = '2030-01-31T09:00:00.000Z'
    expect(digest.task('a', { path: 'a' }, { notBefore: new Date(at) }).notBefore).toBe(at)
    expect(digest.task('a', { path: 'a' }, { notBefore: '2030-01-31T10:00:00+01:00' }).notBefore).toBe(at)
  })

  it.each(['tomorrow', '2030-01-31 09:00', '2030-01-31T09:00:00', new Date(Number.NaN)])(
    'refuses %s as notBefore',
    (notBefore) => {
      expect(codeOf(() => digest.task('a', { path: 'a' }, { notBefore }))).toBe('INVALID_INPUT')
    },
  )

  it('refuses a kind that is no plain name', () => {
    const schemas = { input: z.null(), output: z.null() }
    for (const kind of ['', '../x', 'a b', 'x'.repeat(129)]) {
      expect(codeOf(() => defineTask(kind, schemas))).toBe('INVALID_INPUT')
    }
  })

  it('gives the handler what the input schema makes of the input', async () => {
    const handler = digest.handle(async (input) => {
      expectTypeOf(input).toEqualTypeOf<{ path: string; depth: number }>()
      return { lines: input.depth, at: '2030-01-31' }
    })
    const prepared = handler.prepare({ path: 'a' })
    expect('run' in prepared && (await prepared.run(undefined as never))).toEqual({ lines: 1, at: '2030-01-31' })
    expect(handler.prepare({})).toEqual({ issues: expect.stringContaining('path') })
  })

  it('lets a handler return a partial result of the same form', () => {
    digest.handle((_input, task) => task.partial({ lines: 1, at: '2030-01-31' }, { message: 'ran out of lines' }))
    // @ts-expect-error: lines is missing
    digest.handle((_input, task) => task.partial({ at: '2030-01-31' }, { message: 'ran out of lines' }))
    expect(new PartialResult(1, { message: 'half' }).output).toBe(1)
  })

  it('parses an output into what the output schema makes of it', () => {
    const output = digest.parseOutput({ lines: 3, at: '2030-01-31' })
    expectTypeOf(output).toEqualTypeOf<{ lines: number; at: string[] }>()
    expect(output).toEqual({ lines: 3, at: ['2030', '01', '31'] })
    expect(codeOf(() => digest.parseOutput({ lines: 'many' }))).toBe('INVALID_INPUT')
  })

  it('tells what is wrong with an output, in one line, and null if nothing is', () => {
    expect(digest.outputIssues({ lines: 3, at: '2030-01-31' })).toBeNull()
    expect(digest.outputIssues({ lines: 'many', at: '2030-01-31' })).toMatch(/^lines: .*$/)
    const many = defineTask('many', { input: z.null(), output: z.array(z.number()) })
    expect(many.outputIssues(Array(50).fill('x'))).toMatch(/and 47 more$/)
  })
})
