import { z } from 'zod'
import { hashMatches, readRecordShape } from '../log/commit-record.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import { eventDataSchemas } from '../protocol/events.js'
import { isoTimeSchema, sha256Schema } from '../protocol/ids.js'
import { upcastEvent } from '../protocol/upcast.js'
import { CheckedLog, type LogSummary } from './checked-log.js'

const count = z.number().int().min(0)
const commitSchema = z.strictObject({
  index: count,
  version: count,
  epoch: count,
  at: isoTimeSchema,
  actor: z.string().min(1).max(1024),
  prev: sha256Schema,
  events: z
    .array(
      z.strictObject({
        type: z.string(),
        v: z.number(),
        data: z.unknown(),
        cause: z.strictObject({ sender: z.string().max(512), seq: count, more: z.literal(true).optional() }).optional(),
      }),
    )
    .min(1),
})

/** The lines of a log that comes from a file: whoever wrote them may have made mistakes, and is told which. */
export class FileLog {
  readonly #checked = new CheckedLog()
  #lines = 0
  #head: string | null = null

  next(line: string): void {
    this.#lines++
    const problem = this.#problemOf(line) ?? this.#contentProblem(line)
    if (problem !== null) throw problem
    try {
      this.#head = this.#checked.next(line).record.hash
    } catch (error) {
      if (!isRepriseError(error, 'LOG_CORRUPT')) throw error
      const why = error.cause instanceof Error ? error.cause.message : error.message
      throw this.#corrupt(`its events cannot follow what comes before them: ${why}`)
    }
  }

  /** `INVALID_INPUT` if there was nothing. */
  end(): LogSummary {
    if (this.#lines === 0) throw notALog('it is empty')
    return this.#checked.summary()
  }

  /** What is wrong by the line alone, and its place, in words that say what may have happened. */
  #problemOf(line: string): RepriseError | null {
    const { commits } = this.#checked.chain
    const shape = readRecordShape(line)
    if (shape === null) {
      if (this.#lines === 1) return notALog(foreignLine(line))
      if (line === '') return this.#corrupt('it is empty')
      if (line.startsWith('{"hash":"')) return this.#corrupt('it is cut off, or its end is missing')
      return this.#corrupt('it does not have the form of a commit')
    }
    if (!hashMatches(line))
      return this.#corrupt('it does not have the hash that it carries: it was changed, damaged or cut off')
    if (shape.hash === this.#head) return this.#corrupt(`commit ${shape.index} stands there a second time`)
    if (shape.index === commits) return null
    if (shape.index < commits) {
      return this.#corrupt(
        `commit ${shape.index} stands behind commit ${commits - 1}: lines are out of order, or there twice`,
      )
    }
    const gap = commits === shape.index - 1 ? `commit ${commits} is` : `commits ${commits} to ${shape.index - 1} are`
    return this.#corrupt(`commit ${shape.index} stands there, and ${gap} missing before it`)
  }

  /** Hashes say that nothing was changed since it was written, not that it was written by us. `LOG_TOO_NEW`. */
  #contentProblem(line: string): RepriseError | null {
    const { chain, state } = this.#checked
    const parsed = commitSchema.safeParse(JSON.parse(line).commit)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      return this.#corrupt(`its ${issue?.path.join('.') || 'commit'} is not right: ${issue?.message}`)
    }
    const { prev, version, epoch, events } = parsed.data
    if (prev !== chain.head)
      return this.#corrupt('it follows another commit than the one before it: two histories are mixed')
    const becomes = chain.version + events.length
    if (version !== becomes) return this.#corrupt(`it says version ${version}, and its events make it ${becomes}`)
    let held = state.epoch
    for (const [i, stored] of events.entries()) {
      const { type, data } = upcastEvent(stored)
      const [issue] = eventDataSchemas[type].safeParse(data).error?.issues ?? []
      if (issue !== undefined) {
        return this.#corrupt(
          `its event ${type} is not right at ${issue.path.join('.') || 'its data'}: ${issue.message}`,
        )
      }
      if ((type === 'run-opened') !== (chain.version + i === 0)) {
        return this.#corrupt('a log begins with run-opened, and has it nowhere else')
      }
      if (type === 'lock-acquired') held = chain.version + i + 1
    }
    return epoch === held ? null : this.#corrupt(`it is of epoch ${epoch}, and the lock in force is of epoch ${held}`)
  }

  #corrupt(what: string): RepriseError {
    const { commits } = this.#checked.chain
    const before = commits === 0 ? '' : ` What comes before it, commits 0 to ${commits - 1}, is intact.`
    return new RepriseError(
      'LOG_CORRUPT',
      `Line ${this.#lines} of the file is wrong: ${what}.${before} Nothing was imported. Take another copy of the file.`,
      { details: { line: this.#lines, index: commits } },
    )
  }
}

function foreignLine(line: string): string {
  if (line.includes('\u0000')) return 'it is a binary file'
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return line.startsWith('{"hash":"') ? 'its first line is cut off' : 'its first line is not JSON'
  }
  if (typeof value !== 'object' || value === null) return 'its first line is JSON, but no object'
  if (Array.isArray(value)) return 'its first line is a JSON array'
  const names = Object.keys(value)
    .slice(0, 5)
    .map((name) => JSON.stringify(name.slice(0, 32)))
  const more = Object.keys(value).length > 5 ? ', …' : ''
  return `its first line is JSON of something else, with ${names.length === 0 ? 'no fields' : `the fields ${names.join(', ')}${more}`}`
}

const notALog = (what: string): RepriseError =>
  new RepriseError('INVALID_INPUT', `This is no log of Reprise: ${what}. Nothing was imported.`)
