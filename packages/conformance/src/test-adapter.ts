import type { AdapterUnderTest, TestFunctions, TestStorage } from './harness.js'
import { type Suite, suiteOf } from './suite.js'
import { artifactsSuite } from './suites/artifacts-suite.js'
import { claimsSuite } from './suites/claims-suite.js'
import { closingSuite } from './suites/closing-suite.js'
import { concurrencySuite } from './suites/concurrency-suite.js'
import { crashSuite } from './suites/crash-suite.js'
import { fidelitySuite } from './suites/fidelity-suite.js'
import { idsSuite } from './suites/ids-suite.js'
import { inboxSuite } from './suites/inbox-suite.js'
import { leasesSuite } from './suites/leases-suite.js'
import { logSuite } from './suites/log-suite.js'
import { peekSuite } from './suites/peek-suite.js'
import { queueSuite } from './suites/queue-suite.js'
import { runsSuite } from './suites/runs-suite.js'
import { snapshotsSuite } from './suites/snapshots-suite.js'
import { summariesSuite } from './suites/summaries-suite.js'
import { watchSuite } from './suites/watch-suite.js'

const suites: readonly ((suite: Suite) => void)[] = [
  logSuite,
  watchSuite,
  runsSuite,
  concurrencySuite,
  leasesSuite,
  queueSuite,
  claimsSuite,
  inboxSuite,
  peekSuite,
  artifactsSuite,
  snapshotsSuite,
  summariesSuite,
  fidelitySuite,
  idsSuite,
  crashSuite,
  closingSuite,
]

/**
 * Declares the tests that every adapter passes. Nothing in them sleeps for a fixed time: they await conditions,
 * each with a deadline, so a slow backend makes them slower, not red.
 */
export function testAdapter<Storage extends TestStorage>(
  subject: AdapterUnderTest<Storage>,
  test: TestFunctions,
): void {
  test.describe(`${subject.name} adapter`, () => {
    for (const declare of suites) declare(suiteOf(subject, test))
  })
}
