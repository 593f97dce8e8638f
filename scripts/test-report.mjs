// Totals from vitest's JSON report. As a command: node scripts/test-report.mjs <file> prints `N passed, N failed`.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/**
 * @param {string} file
 * @returns {{ passed: number, failed: number, skipped: number, files: number }}
 */
export function readTestReport(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  /** @type {{ status: string }[]} */
  const tests = report.testResults.flatMap((/** @type {any} */ suite) => suite.assertionResults)
  // A file that cannot be loaded has no tests that could fail; it counts as one failure.
  const unloaded = report.testResults.filter(
    (/** @type {any} */ suite) => suite.status === 'failed' && !suite.assertionResults.some(isFailed),
  )
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: tests.filter(isFailed).length + unloaded.length,
    skipped: tests.filter(({ status }) => status !== 'passed' && status !== 'failed').length,
    files: report.testResults.length,
  }
}

/**
 * What failed, with the beginning of each message: for readers who see only the first lines of a long output.
 * @param {string} file
 * @returns {string[]}
 */
export function readFailures(file) {
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'))
  return testResults.flatMap((/** @type {any} */ suite) => {
    const failed = suite.assertionResults.filter(isFailed)
    if (suite.status === 'failed' && failed.length === 0) return [`${suite.name}\n${excerpt(suite.message ?? '')}`]
    return failed.map(
      (/** @type {any} */ test) => `${suite.name}: ${test.fullName}\n${excerpt(test.failureMessages.join('\n'))}`,
    )
  })
}

/** @param {string} message */
const excerpt = (message) =>
  message
    .split('\n', messageLines)
    .map((line) => `    ${line}`)
    .join('\n')

const messageLines = 10

/** @param {{ status: string }} test */
const isFailed = ({ status }) => status === 'failed'

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { passed, failed } = readTestReport(process.argv[2] ?? '')
  console.log(`${passed} passed, ${failed} failed`)
}
