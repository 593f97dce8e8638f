// npm run verify: everything CI checks, in order, one line per step; stops at the first failure and says how to run
// that step alone. `--report <file>` keeps vitest's JSON report.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root, setUp } from './setup.mjs'
import { readFailures, readTestReport } from './test-report.mjs'

/** Names of scripts in package.json, which can each be run alone. */
const steps = [
  { name: 'format and lint', script: 'check:lint' },
  { name: 'types', script: 'check:types' },
  { name: 'dependency direction', script: 'check:dependencies' },
  { name: 'unused code', script: 'check:unused' },
  { name: 'package shape', script: 'check:packages' },
  { name: 'SPEC', script: 'check:spec' },
  { name: 'tests', script: 'test' },
  { name: 'docs examples', script: 'check:docs' },
]

const { values } = parseArgs({ options: { report: { type: 'string' } } })
const scratch = mkdtempSync(join(tmpdir(), 'reprise-verify-'))
const report = resolve(values.report ?? join(scratch, 'tests.json'))
const reporters = ['default', 'json', './scripts/skip-reporter.mjs']
const testOptions = `${reporters.map((name) => ` --reporter=${name}`).join('')} --outputFile.json="${report}"`

await setUp()
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const failed = await firstFailure()
if (existsSync(report)) printTests()
rmSync(scratch, { recursive: true, force: true })
process.exitCode = failed ? 1 : 0

async function firstFailure() {
  for (const { name, script } of steps) {
    const startedMs = performance.now()
    const { code, output } = await capture(scripts[script] + (script === 'test' ? testOptions : ''))
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${seconds} s  ${name}`)
    for (const line of output.match(/^skipped: .*$/gm) ?? []) console.log(line)
    if (code === 0) continue
    if (script === 'test' && existsSync(report)) for (const failure of readFailures(report)) console.log(failure)
    // Hundreds of lines about what passed would bury the rest.
    const said = output.replace(/^ +✓ .*\n/gm, '').trimEnd()
    console.log(`\n${said}\n\nverify stopped at "${name}". This step alone: npm run ${script}`)
    return name
  }
}

/**
 * @param {string} command as npm would run it
 * @returns {Promise<{ code: number, output: string }>}
 */
function capture(command) {
  return new Promise((resolve, reject) => {
    const PATH = join(root, 'node_modules/.bin') + delimiter + process.env.PATH
    const child = spawn(command, {
      cwd: root,
      shell: true,
      // Captured output is printed as it is, also where nobody can see colours.
      env: { ...process.env, PATH, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
    const stop = () => child.kill('SIGTERM')
    process.once('SIGINT', stop).once('SIGTERM', stop)
    child.once('error', reject)
    child.once('close', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop)
      resolve({ code: code ?? 1, output })
    })
  })
}

function printTests() {
  const { passed, failed, skipped, files } = readTestReport(report)
  console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped, in ${files} files`)
}
