import { Readable, Writable } from 'node:stream'
import { main } from '../src/main.js'
import { registry } from '../src/registry.js'

/** The command in this process: for what does not depend on a process of its own. */
export async function called(args: readonly string[], input = '') {
  const said = { stdout: '', stderr: '' }
  const into = (name: keyof typeof said) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString()
        done()
      },
    })
  const world = {
    args,
    cwd: process.cwd(),
    env: {},
    stdin: Readable.from([Buffer.from(input)]),
    signal: new AbortController().signal,
  }
  const code = await main({ ...world, stdout: into('stdout'), stderr: into('stderr') })
  return { code, ...said }
}

/** With `--json`: what it printed, which must be exactly what its schema names, or an error. */
export async function calledJson(args: readonly string[], input = '') {
  const ended = await called([...args, '--json'], input)
  const json = JSON.parse(ended.stdout)
  const command = await registry.find(({ name }) => name === args[0])?.load()
  if (!('error' in json) && JSON.stringify(command?.schema.parse(json)) !== JSON.stringify(json)) {
    // Parsing drops what the schema does not name, and keeps the order of the schema.
    const [has, names] = [Object.keys(json).sort(), Object.keys(command?.schema.parse(json) as object).sort()]
    if (has.join() !== names.join())
      throw new Error(`${args[0]} prints ${has.join()}, its schema names ${names.join()}`)
  }
  return { ...ended, json }
}
