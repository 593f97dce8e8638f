/**
 * Limits of the format itself: equal for every run, since every reader and transport must be able to hold what
 * they allow. What a run may choose is in `policy`.
 */
export const limits = {
  /** UTF-8 bytes of one commit. NATS refuses 1 MiB. */
  commitBytesMax: 512 * 1024,
  /** UTF-8 bytes of one inbox message. */
  messageBytesMax: 448 * 1024,
  /** UTF-8 bytes of a task's input as JSON. */
  inputBytesMax: 256 * 1024,
  /** UTF-8 bytes of a receipt's output as JSON. */
  outputBytesMax: 256 * 1024,
  /** UTF-8 bytes of a whole receipt as JSON. */
  receiptBytesMax: 384 * 1024,
  /** Nesting of any JSON value that we take in. */
  jsonDepthMax: 64,
  /** Tasks in one `dispatch` command. */
  dispatchBatchMax: 100_000,
  /** Tasks that one task may wait for. */
  afterMax: 256,
  /** Artifacts named by one receipt. */
  artifactsMax: 64,
  /** Spawn requests in one receipt. */
  spawnRequestsMax: 64,
  /** US dollars that one receipt may say it has spent: keeps sums finite. */
  receiptCostUsdMax: 1_000_000_000,
  /** UTF-8 bytes of the evidence kept of a refused message. */
  evidenceBytesMax: 1024,
  /** Characters of a reason, note or summary. */
  textMax: 8 * 1024,
  /** Commands of one round, each callback. */
  roundCommandsMax: 1_000,
  /** Characters of the name of a task's owner. */
  ownerMax: 128,
  /** Accepted tasks that the evidence for one success criterion may name. */
  evidenceTasksMax: 64,
  /** Success criteria of a run. */
  criteriaMax: 64,
  /** UTF-8 bytes of a run's goal and success criteria together, as JSON: they stand in its first commit. */
  openingBytesMax: 256 * 1024,
  /** Characters of one piece of a snapshot: at most three times as many UTF-8 bytes. */
  snapshotPieceMax: 64 * 1024,
  /** Characters of a whole snapshot: a larger one is not written, and not read. */
  snapshotMax: 64 * 1024 * 1024,
  /** Characters of the summary of a run that is kept beside its log. */
  runSummaryMax: 8 * 1024,
  /** Messages of one sender that may be missing before later ones are taken as its next. */
  inboxGapMax: 1024,
} as const
