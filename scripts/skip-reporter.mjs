// A vitest reporter that names every skipped test with its reason: silence would look like success.
export default class SkipReporter {
  /** @param {import('vitest/node').TestCase} test */
  onTestCaseResult(test) {
    const result = test.result()
    if (result.state === 'skipped') console.log(`skipped: ${test.fullName} (${result.note ?? 'no reason given'})`)
  }
}
