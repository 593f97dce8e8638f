import { Readable, Writable } from 'node:stream'
import { main } from '../dist/main.js'
import { registry } from '../dist/registry.js'
import type { StartOptions } from './reprise.js'

/** What the command in this process ended with. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The built command without a process of its own: for what does not depend on that, at a twentieth of the time. */
export async function inProcess(
  args: readonly string[],
  { cwd = process.cwd(), env = {}, input = '' }: StartOptions = {},
): Promise<Outcome> {
  const said = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof said) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString('utf8')
        done()
      },
    })
  const { signal } = new AbortController()
  const streams = { stdin: Readable.from([Buffer.from(input)]), stdout: sink('stdout'), stderr: sink('stderr') }
  const code = await main({ args, cwd, env, ...streams, signal })
  return { code, ...said }
}

/** With `--json`: the documents, each checked against the documented schema, of which it must be exactly. */
export async function inProcessJson(args: readonly string[], options?: StartOptions) {
  const ended = await inProcess([...args, '--json'], options)
  return { ...ended, ...(await documentsOf(args, ended)) }
}

/** The JSON that a command has written, checked as documented. */
export async function documentsOf(args: readonly string[], { stdout, stderr }: { stdout: string; stderr: string }) {
  const entry = registry.find(({ name }) => name === args.slice(0, name.split(' ').length).join(' '))
  if (entry === undefined) throw new Error(`no command ${args.join(' ')}`)
  const command = await entry.load()
  const texts = command.output === 'lines' ? stdout.split('\n').filter((line) => line !== '') : [stdout]
  const documents = texts.map((text) => {
    try {
      return JSON.parse(text)
    } catch {
      throw new Error(`reprise ${args.join(' ')} wrote no JSON: ${text}${stderr}`)
    }
  })
  for (const document of documents) {
    if ('error' in document) continue
    const parsed = command.schema.parse(document)
    if (JSON.stringify(sorted(parsed)) !== JSON.stringify(sorted(document))) {
      throw new Error(`reprise ${args.join(' ')} wrote what its schema does not name: ${JSON.stringify(document)}`)
    }
  }
  return { json: documents.at(-1), documents }
}

/** Keys in one order, in any depth. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, part]) => [key, sorted(part)]))
}
