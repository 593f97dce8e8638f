import { Readable, Writable } from 'node:stream'
import { main } from '../src/main.js'

/** As `reprise`, in this process: for many calls, of which what a process adds is the same each time. */
export async function repriseHere(args: readonly string[], cwd: string) {
  const said = { stdout: '', stderr: '' }
  const into = (name: keyof typeof said) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        said[name] += chunk.toString()
        done()
      },
    })
  const world = { args, cwd, env: {}, stdin: Readable.from([]), signal: new AbortController().signal }
  const code = await main({ ...world, stdout: into('stdout'), stderr: into('stderr') })
  return { code, ...said }
}
