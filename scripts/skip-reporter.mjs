// A vitest reporter that names every skipped test with its reason, and every test that passed only at its second try
// with what the first one said: silence would look like success.
export default class SkipReporter {
  /** @param {import('vitest/node').TestCase} test */
  onTestCaseResult(test) {
    const result = test.result()
    if (result.state === 'skipped') console.log(`skipped: ${test.fullName} (${result.note ?? 'no reason given'})`)
    if (!test.diagnostic()?.flaky) return
    const said = result.errors?.map(({ message }) => message.split('\n', 1)[0]).join('; ')
    console.log(`flaky: ${test.fullName} passed at its second try; at the first: ${said || 'no message'}`)
  }
}
