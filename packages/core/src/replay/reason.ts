import { z } from 'zod'
import type { TaskId } from '../protocol/ids.js'
import { oneLine } from '../protocol/one-line.js'
import { type WhyCode, whyCodes } from './why-codes.js'

const codes = Object.keys(whyCodes) as [WhyCode, ...WhyCode[]]

/** One link of a chain of reasons. JSON. */
export const reasonSchema = z.strictObject({
  code: z.enum(codes).describe('stable; `whyCodes` of @reprise/core/replay says what each means'),
  needs: z.enum(['act', 'wait', 'nothing']).describe('act: somebody must do something; wait: it goes on by itself'),
  taskId: z.string().nullable().describe('the task that it is about'),
  name: z.string().nullable().describe('the rule, gate, limit or missing link'),
  events: z.array(z.number().int()).readonly().describe('versions of the events that show it, oldest first'),
  text: z.string().describe('one sentence; texts from outside are on one line'),
  remedy: z.string().nullable().describe('what to do: a command line'),
})
export type Reason = Readonly<z.output<typeof reasonSchema>>

interface About {
  readonly text: string
  readonly events?: readonly (number | null | undefined)[]
  readonly taskId?: TaskId
  readonly name?: string
  readonly remedy?: string
  /** If it is not what the code says as a rule. */
  readonly needs?: Reason['needs']
}

/** A reason with the defaults of its code. */
export function reason(code: WhyCode, { text, events = [], taskId, name, remedy, needs }: About): Reason {
  const versions = new Set(events.filter((version) => version != null))
  return {
    code,
    needs: needs ?? whyCodes[code].needs,
    taskId: taskId ?? null,
    name: name ?? null,
    events: [...versions].sort((a, b) => a - b),
    text,
    remedy: remedy ?? null,
  }
}

/** A `reprise` command line for a POSIX shell. What has its value still to be filled in is in capitals. */
export function commandLine(command: string, ids: readonly string[], options = ''): string {
  const texts = ids.map(quoted)
  const given = options === '' ? [] : [options]
  // Behind `--` an id may look like an option.
  const parts = ids.some((id) => id.startsWith('-')) ? [...given, '--', ...texts] : [...texts, ...given]
  return ['reprise', command, ...parts].join(' ')
}

const quoted = (id: string): string => (/^[A-Za-z0-9._:/@%+=,-]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`)

/** Of a text from outside, in a sentence. */
export const shown = (text: string, charactersMax = 200): string => oneLine(text, charactersMax)

const idsShown = 5

/** `a, b, c, and 4 more`. `total`: of all of them. */
export function someOf(ids: Iterable<string>, total: number): string {
  const some: string[] = []
  for (const id of ids) {
    if (some.length === idsShown) break
    some.push(shown(id, 80))
  }
  return `${some.join(', ')}${total > some.length ? `, and ${total - some.length} more` : ''}`
}
