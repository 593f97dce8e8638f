// Package shape: what npm would publish has working entry points (publint) and types (are-the-types-wrong).
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { packageFolders, root, setUp } from './setup.mjs'

await setUp()
const results = await Promise.all(packageFolders().map(checkPackage))
process.exitCode = results.every(Boolean) ? 0 : 1

/** @param {string} folder */
async function checkPackage(folder) {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  const { messages } = await publint({ pkgDir: join(root, folder), strict: true })
  const lines = messages.map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`)
  const types = await areTheTypesWrong(folder)
  if (types.code !== 0) lines.push(`are-the-types-wrong:\n${types.output}`)
  for (const line of lines) console.error(`${folder}: ${line}`)
  console.log(`${folder}: ${lines.length === 0 ? 'ok' : 'not ready to publish'}`)
  return lines.length === 0
}

/**
 * Packs the package as npm would and resolves its types. ESM only: require() is none of our promises.
 * @param {string} folder
 * @returns {Promise<{ code: number | null, output: string }>}
 */
function areTheTypesWrong(folder) {
  const script = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  const args = [script, '--pack', '.', '--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji']
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: join(root, folder), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}
