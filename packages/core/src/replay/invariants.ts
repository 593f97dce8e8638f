import type { Invariant } from './invariants/invariant.js'
import { limitInvariants } from './invariants/limit-invariants.js'
import { logInvariants } from './invariants/log-invariants.js'
import { receiptInvariants } from './invariants/receipt-invariants.js'
import { resumeInvariants } from './invariants/resume-invariants.js'
import { taskInvariants } from './invariants/task-invariants.js'

/**
 * What holds at every event of every log that the library wrote, as far as a log alone can show it. A log that breaks one
 * was written by something else, by hand, or by a library with a bug.
 */
export const invariants = {
  ...logInvariants,
  ...resumeInvariants,
  ...taskInvariants,
  ...receiptInvariants,
  ...limitInvariants,
  'can-be-folded': {
    says: 'Every event can follow those before it: folding it does not fail.',
    shows: ['P6', 'I10'],
    // Whoever folds finds out: see `findBroken`.
    begin: () => ({}),
  },
} as const satisfies Record<string, Invariant>

export type InvariantName = keyof typeof invariants

export const invariantNames = Object.keys(invariants) as InvariantName[]
