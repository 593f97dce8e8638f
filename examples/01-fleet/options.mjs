// The command line of the example.
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { kindOf } from './open-adapter.mjs'

const help = `A coordinator and its workers read every file under a folder, while somebody keeps killing them.

Usage: npm start -- [options]

  --adapter A   where the run lives: files, redis or nats (default files). Without --server, a private server is
                started on this machine, and installed from Debian's packages if there is none
  --server URL  a running server instead: redis://… or nats://…; REPRISE_SERVER in the environment says the same, unseen,
                unless --adapter asks for another kind
  --workers N   worker processes, 1 to 64 (default 3)
  --kill WHAT   what to kill with SIGKILL on the way: none, coordinator, worker or both (default both)
  --dir PATH    the folder to read (default: the node_modules of this repository)
  --keep        keep the run's folder for good; otherwise the next start removes it. A server that was started for the
                run is gone at the end in any case; its log is copied to the folder
  --help        this text

Exit code: 0 if everything agrees, 1 if something does not, 2 for options that make no sense, 130 after Ctrl-C.
`

/** @typedef {'none' | 'coordinator' | 'worker' | 'both'} Kill */
/** @typedef {import('./open-adapter.mjs').AdapterKind} AdapterKind */
/** @typedef {{ adapter: AdapterKind, server: string | undefined, root: string, leaveOut: string[], workers: number, kill: Kill, keep: boolean }} Options */

const optionsConfig = /** @type {const} */ ({
  adapter: { type: 'string' },
  server: { type: 'string' },
  workers: { type: 'string', default: '3' },
  kill: { type: 'string', default: 'both' },
  dir: { type: 'string' },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
})

/** Ends the process for `--help`, and with exit code 2 for what makes no sense. @param {string[]} args @returns {Options} */
export function readOptions(args) {
  const values = parse(args)
  if (values.help) {
    process.stdout.write(help)
    process.exit(0)
  }
  const workers = Number(values.workers)
  if (!/^\d+$/.test(values.workers) || workers < 1 || workers > 64) {
    refuse(`--workers takes a number from 1 to 64, not ${JSON.stringify(values.workers)}`)
  }
  const { kill } = values
  if (!isKill(kill)) refuse(`--kill takes none, coordinator, worker or both, not ${JSON.stringify(kill)}`)
  const place = placeOf({ adapter: values.adapter, server: values.server ?? serverOfEnvironment(values.adapter) })
  const root = values.dir === undefined ? realpathSync(nodeModules) : folderOf(values.dir)
  const leaveOut = values.dir === undefined ? toolFolders(root) : []
  return { ...place, root, leaveOut, workers, kill, keep: values.keep }
}

/** What the environment names, if it is of the kind that was asked for, or none was. @param {string | undefined} adapter */
function serverOfEnvironment(adapter) {
  const server = process.env.REPRISE_SERVER
  return server === undefined || adapter === undefined || kindOf(server) === adapter ? server : undefined
}

/** @param {{ adapter?: string | undefined, server?: string | undefined }} values */
function placeOf({ adapter, server }) {
  if (adapter !== undefined && !isAdapter(adapter))
    return refuse(`--adapter takes files, redis or nats, not ${JSON.stringify(adapter)}`)
  if (server === undefined) return { adapter: adapter ?? 'files', server: undefined }
  if (!URL.canParse(server) || !/^(rediss?|nats|tls):\/\//.test(server))
    return refuse('--server takes a URL that begins with redis:// or nats://')
  const kind = kindOf(server)
  if (adapter !== undefined && adapter !== kind)
    return refuse(`--server names a ${kind} server, and --adapter says ${adapter}: leave one of them out`)
  return { adapter: kind, server }
}

/** @param {string} value @returns {value is AdapterKind} */
const isAdapter = (value) => ['files', 'redis', 'nats'].includes(value)

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({ args, options: optionsConfig }).values
  } catch (error) {
    return refuse(/** @type {Error} */ (error).message.replace(/\.? To specify a positional argument.*$/s, ''))
  }
}

/** @param {string} value @returns {value is Kill} */
const isKill = (value) => ['none', 'coordinator', 'worker', 'both'].includes(value)

const nodeModules = join(import.meta.dirname, '../../node_modules')

/** Where compilers and test runners keep their notes: read twice, they may well differ. @param {string} root */
function toolFolders(root) {
  const names = readdirSync(root, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name.startsWith('.'),
  )
  return names.map(({ name }) => join(root, name))
}

/** @param {string} dir */
function folderOf(dir) {
  // npm runs scripts in the folder of package.json, and leaves a note of where it was called.
  const root = resolve(process.env.INIT_CWD ?? '.', dir)
  const stat = statSync(root, { throwIfNoEntry: false })
  if (!stat?.isDirectory())
    refuse(`--dir takes a folder; ${JSON.stringify(root)} ${stat ? 'is not one' : 'does not exist'}`)
  return realpathSync(root)
}

/** @param {string} problem @returns {never} */
export function refuse(problem) {
  process.stderr.write(`${problem}.\nnpm start -- --help lists the options.\n`)
  process.exit(2)
}
