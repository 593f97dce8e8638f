// Examples in documents compile and run. Every ```ts and ```js block of the READMEs, docs/ and CONTRIBUTING.md is
// type-checked against the built packages. After the language may stand:
//   run                  it is also executed, in an empty folder, and must exit 0 within 30 s
//   no-check="a reason"  it is not looked at; the reason is not optional
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root as repository, setUp } from './setup.mjs'

const runTimeoutMs = 30_000

/** @typedef {{ document: string, line: number, language: string, flags: string, code: string }} Example */

/**
 * @param {string} root folder whose documents are checked; '@reprise/*' must resolve from there
 * @returns {{ examples: Example[], problems: string[] }}
 */
export function checkDocs(root) {
  const all = documents(root).flatMap((name) => readExamples(name, readFileSync(join(root, name), 'utf8')))
  const examples = all.filter(({ flags }) => !flags.includes('no-check'))
  const unexplained = all.filter(({ flags }) => flags.includes('no-check') && !/no-check="[^"]{5,}"/.test(flags))
  const problems = unexplained.map(({ document, line }) => `${document}:${line} say why: no-check="the reason"`)
  const folder = join(root, '.docs-examples')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  try {
    if (examples.length > 0) problems.push(...compile(folder, examples))
    if (problems.length === 0) problems.push(...examples.filter(isRun).flatMap((example) => execute(folder, example)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return { examples, problems }
}

/**
 * @param {string} document
 * @param {string} text
 * @returns {Example[]}
 */
export function readExamples(document, text) {
  const fence = /^( *)```(ts|js)(?!\w)([^\n]*)\n([\s\S]*?)^ *```/gm
  return [...text.matchAll(fence)].map((match) => ({
    document,
    line: text.slice(0, match.index).split('\n').length,
    language: match[2] ?? '',
    flags: match[3] ?? '',
    code: match[4] ?? '',
  }))
}

/** @param {Example} example */
const isRun = ({ flags }) => /\brun\b/.test(flags)

/** @param {string} root */
function documents(root) {
  const packages = namesIn(root, 'packages').map((name) => `packages/${name}/README.md`)
  const docs = namesIn(root, 'docs').filter((name) => name.endsWith('.md'))
  const names = ['README.md', 'CONTRIBUTING.md', ...packages, ...docs.map((name) => `docs/${name}`)]
  return names.filter((name) => existsSync(join(root, name)))
}

/** @param {string} root @param {string} folder */
const namesIn = (root, folder) => (existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort() : [])

/** @param {Example} example */
const fileName = ({ document, line }) => `${document.replaceAll('/', '__')}.${line}`

/**
 * @param {string} folder
 * @param {Example[]} examples
 * @returns {string[]} the compiler's errors, at the lines of the documents
 */
function compile(folder, examples) {
  for (const example of examples) {
    // Empty lines in front, so that the compiler's line numbers are the document's.
    writeFileSync(join(folder, `${fileName(example)}.${example.language}`), '\n'.repeat(example.line) + example.code)
  }
  const compilerOptions = {
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    allowJs: true,
    checkJs: true,
    // An example may show a name without using it, and is a module even without an import.
    noUnusedLocals: false,
    moduleDetection: 'force',
    typeRoots: [join(repository, 'node_modules/@types')],
    rootDir: '.',
    outDir: 'out',
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(repository, 'tsconfig.base.json'), compilerOptions, exclude: ['out'] }),
  )
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], { cwd: folder, encoding: 'utf8' })
  if (result.status === 0) return []
  const places = result.stdout.replaceAll(/^(\S+?)\.\d+\.(?:ts|js)\((\d+),(\d+)\)/gm, (_, name, line, column) => {
    return `${name.replaceAll('__', '/')}:${line}:${column}`
  })
  return [`${places.trim()}${result.stderr}`]
}

/**
 * @param {string} folder
 * @param {Example} example
 * @returns {string[]}
 */
function execute(folder, example) {
  const cwd = mkdtempSync(join(tmpdir(), 'reprise-docs-'))
  try {
    const script = join(folder, 'out', `${fileName(example)}.js`)
    const result = spawnSync(process.execPath, [script], { cwd, encoding: 'utf8', timeout: runTimeoutMs })
    if (result.status === 0) return []
    const ended = result.status === null ? `did not end within ${runTimeoutMs / 1000} s` : `exit code ${result.status}`
    return [`${example.document}:${example.line} ${ended}\n${result.stdout}${result.stderr}`]
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await setUp()
  const { examples, problems } = checkDocs(repository)
  for (const problem of problems) console.error(problem)
  console.log(`docs: ${examples.length} examples, ${examples.filter(isRun).length} run, ${problems.length} problems`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
