// What every command needs first: dependencies installed, packages built. Uses Node's built-ins only,
// because it runs in a bare clone, and does nothing at all when nothing changed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))

const tsc = join(root, 'node_modules/typescript/bin/tsc')
const installStamp = join(root, 'node_modules/.reprise-setup')
const buildStamp = join(root, 'node_modules/.reprise-build')

/** Installs if the lock file changed since the last time, then builds what is stale. Ends the process on failure. */
export async function setUp() {
  await install()
  await build()
}

/** @returns {string[]} folders below packages/ that have sources, relative to the root */
export function packageFolders() {
  return readdirSync(join(root, 'packages'))
    .map((name) => `packages/${name}`)
    .filter((folder) => existsSync(join(root, folder, 'src')))
}

/**
 * Runs a command in the foreground, passes signals on to it and resolves to its exit code.
 * @param {string} command
 * @param {string[]} args
 * @param {{ quiet?: boolean }} [options] quiet: its standard output goes to ours only as errors
 * @returns {Promise<number>}
 */
export function run(command, args, { quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['inherit', quiet ? 2 : 'inherit', 'inherit'] })
    // A terminal sends Ctrl-C to the child too; a second SIGINT from us would look like impatience.
    const interrupt = () => process.stdin.isTTY || child.kill('SIGINT')
    const terminate = () => child.kill('SIGTERM')
    process.on('SIGINT', interrupt).on('SIGTERM', terminate).on('exit', terminate)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGINT', interrupt).off('SIGTERM', terminate).off('exit', terminate)
      // Dying of the same signal tells the caller the truth; Node has no exit code for it.
      if (signal !== null) process.kill(process.pid, signal)
      resolve(code ?? 1)
    })
  })
}

/**
 * @param {string[]} args a script and its arguments
 * @returns {Promise<number>}
 */
export const runNode = (args) => run(process.execPath, args)

async function install() {
  const wanted = sha256(readFileSync(join(root, 'package-lock.json')))
  if (readStamp(installStamp) === wanted) return
  // A bare clone gets exactly the lock file; an existing folder is brought up to date without being thrown away.
  const verb = existsSync(join(root, 'node_modules')) ? 'install' : 'ci'
  say(`installing dependencies (npm ${verb})`)
  const npm = process.env.npm_execpath
  const args = [verb, '--no-audit', '--no-fund', '--loglevel=error']
  const code = npm
    ? await run(process.execPath, [npm, ...args], { quiet: true })
    : await run('npm', args, { quiet: true })
  if (code !== 0)
    fail(`npm ${verb} failed: see above. It needs the npm registry; npm config get registry names it.`, code)
  writeFileSync(installStamp, sha256(readFileSync(join(root, 'package-lock.json'))))
}

async function build() {
  const wanted = sourceFingerprint()
  const compiled = packageFolders().every((folder) => existsSync(join(root, folder, 'dist/tsconfig.tsbuildinfo')))
  const built = compiled && existsSync(join(root, 'packages/cli/bundle/reprise.js'))
  if (built && readStamp(buildStamp) === wanted) return
  say('building packages (tsc -b)')
  packageFolders().forEach(dropOrphans)
  const code = await run(process.execPath, [tsc, '-b', ...packageFolders()], { quiet: true })
  if (code !== 0) fail('the build failed: see the compiler errors above.', code)
  const packed = await run(process.execPath, [join(root, 'scripts/bundle-cli.mjs')], { quiet: true })
  if (packed !== 0) fail('the command could not be packed: see above.', packed)
  writeFileSync(buildStamp, wanted)
}

/** tsc -b leaves the output of deleted sources behind, where it could be imported and published. @param {string} folder */
function dropOrphans(folder) {
  const dist = join(root, folder, 'dist')
  const outputs = existsSync(dist) ? readdirSync(dist, { recursive: true, encoding: 'utf8' }) : []
  const sources = outputs.filter((name) => name.endsWith('.js')).map((name) => name.replace(/js$/, 'ts'))
  if (sources.some((name) => !existsSync(join(root, folder, 'src', name)))) rmSync(dist, { recursive: true })
}

/** Names, sizes and times of everything the build reads: cheaper than asking tsc. */
function sourceFingerprint() {
  const hash = createHash('sha256').update(readStamp(installStamp))
  for (const name of ['tsconfig.base.json', 'tsconfig.json', 'scripts/bundle-cli.mjs']) hash.update(describe(name))
  for (const folder of packageFolders()) {
    hash.update(describe(`${folder}/tsconfig.json`)).update(describe(`${folder}/package.json`))
    const names = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    for (const name of names.sort()) hash.update(describe(`${folder}/src/${name}`))
  }
  return hash.digest('hex')
}

/** @param {string} path */
function describe(path) {
  const stat = statSync(join(root, path))
  return stat.isDirectory() ? '' : `${path} ${stat.size} ${stat.mtimeMs}\n`
}

/** @param {string | Buffer} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** @param {string} path */
const readStamp = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '')

/** Progress goes to standard error: standard output belongs to the command. @param {string} message */
const say = (message) => process.stderr.write(`reprise: ${message}\n`)

/**
 * @param {string} message
 * @param {number} code
 * @returns {never}
 */
function fail(message, code) {
  say(message)
  process.exit(code)
}
