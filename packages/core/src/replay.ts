/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */

export { type CheckpointKey, defaultKeyId, type PinnedKey } from './replay/checkpoint-keys.js'
export { type Checkpoint, checkpointBytesMax, checkpointSchema } from './replay/checkpoint-text.js'
export type { LogRemains } from './replay/count-remains.js'
export { type InspectOptions, inspectLog, type LogReport } from './replay/inspect-log.js'
export { type LogProblem, type LogProblemKind, logProblems } from './replay/log-problem.js'
export { type MeasureOptions, measureLatencies, scratchPrefix } from './replay/measure-latencies.js'
export { type BackendRole, backendRoles, probeRights } from './replay/probe-rights.js'
export { type SignedCheckpoint, signCheckpoint } from './replay/sign-checkpoint.js'
export {
  type CheckpointFinding,
  type CheckpointVerdict,
  checkpointFindings,
  verifyCheckpoint,
} from './replay/verify-checkpoint.js'
