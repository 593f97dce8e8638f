import { verify } from 'node:crypto'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import { isRepriseError } from '../protocol/errors.js'
import type { RunEvent } from '../protocol/events.js'
import { type PinnedKey, readPinnedKey } from './checkpoint-keys.js'
import { type Checkpoint, checkpointBytes, readCheckpoint } from './checkpoint-text.js'

/** What a checkpoint shows about a log. `same` and `grown` are fine. Stable: tools match it. */
export const checkpointFindings = [
  'same',
  'grown',
  'unknown-key',
  'bad-signature',
  'gone',
  'cut-off',
  'rewritten',
  'other-run',
  'log-bad',
] as const
export type CheckpointFinding = (typeof checkpointFindings)[number]

export interface CheckpointVerdict {
  readonly ok: boolean
  readonly finding: CheckpointFinding
  readonly message: string
  /** What to do about it; `null` if nothing is to be done. */
  readonly remedy: string | null
  /** What is said in it; not to be believed after `unknown-key` and `bad-signature`. */
  readonly checkpoint: Checkpoint
  /** What the log holds now, as far as it is right; `null` if it was not read. */
  readonly log: { readonly commits: number; readonly version: number; readonly head: string } | null
}

/**
 * Checks the signature of a checkpoint by one of these keys, and then that the log still is, or has grown from, what was
 * signed. The whole log is read and its chain checked. Finds a log whose end was cut off, that was rolled back to a backup,
 * written anew with a right chain, or exchanged for another one. `INVALID_INPUT` if the text is no checkpoint, or a key no
 * key; `ADAPTER_UNAVAILABLE`.
 */
export async function verifyCheckpoint(
  log: CommitLog,
  text: string,
  keys: readonly PinnedKey[],
): Promise<CheckpointVerdict> {
  const { checkpoint, statement, signature } = readCheckpoint(text)
  const pinned = keys.map(readPinnedKey).filter(({ keyId }) => keyId === null || keyId === checkpoint.keyId)
  const signed = checkpointBytes(statement)
  if (!pinned.some(({ key }) => verify(null, signed, key, signature))) {
    // Keys without an id may be meant for other signers.
    return pinned.some(({ keyId }) => keyId !== null) || (pinned.length > 0 && keys.length === 1)
      ? verdict('bad-signature', checkpoint, null)
      : verdict('unknown-key', checkpoint, null)
  }
  return await compare(log, checkpoint)
}

type LogFigures = NonNullable<CheckpointVerdict['log']>

async function compare(log: CommitLog, checkpoint: Checkpoint): Promise<CheckpointVerdict> {
  const chain = new ChainReader()
  const figures = (): LogFigures => ({ commits: chain.commits, version: chain.version, head: chain.head })
  let named: string = checkpoint.runId
  let then: LogFigures | null = null
  try {
    for await (const lines of log.read(checkpoint.runId)) {
      for (const line of lines) {
        const { events } = chain.next(line)
        for (const event of events) named = runNamedBy(event) ?? named
        if (chain.commits === checkpoint.commits) then = figures()
      }
    }
  } catch (error) {
    if (!isRepriseError(error, 'LOG_CORRUPT')) throw error
    return verdict(
      isAnother(chain.first, then, checkpoint) ? 'rewritten' : 'log-bad',
      checkpoint,
      figures(),
      error.message,
    )
  }
  if (chain.first === null) return verdict('gone', checkpoint, null)
  if (named !== checkpoint.runId) return verdict('other-run', checkpoint, figures(), named)
  if (isAnother(chain.first, then, checkpoint)) return verdict('rewritten', checkpoint, figures())
  if (then === null) return verdict('cut-off', checkpoint, figures())
  return verdict(chain.commits === checkpoint.commits ? 'same' : 'grown', checkpoint, figures())
}

const isAnother = (first: string | null, then: LogFigures | null, checkpoint: Checkpoint): boolean =>
  (first !== null && first !== checkpoint.first) ||
  (then !== null && (then.head !== checkpoint.head || then.version !== checkpoint.version))

/** Whose log it is from this event on. What events say otherwise was checked when the checkpoint was signed. */
function runNamedBy({ type, data }: RunEvent): string | null {
  if (!type.startsWith('run-') || typeof data !== 'object' || data === null || !('runId' in data)) return null
  return String(data.runId)
}

const remedies: Readonly<Record<CheckpointFinding, string | null>> = {
  same: null,
  grown: null,
  'unknown-key': 'Pin the public half of the key that signed it, if you trust its holder.',
  'bad-signature': 'Do not believe it: take the checkpoint from where it was kept, and the key from its holder.',
  gone: 'Look for it under another name or in another place; else restore it from a copy or an archive.',
  'cut-off':
    'Restore the log from a copy that is not older. What was done since that copy may have been reported already.',
  rewritten:
    'Do not go on with it: restore the log from a copy for which the checkpoint verifies, and find out who wrote this one.',
  'other-run': 'Put each log back under its own name.',
  'log-bad': 'Verify the log: that says which commit is bad, and what to do.',
}

function verdict(
  finding: CheckpointFinding,
  checkpoint: Checkpoint,
  log: LogFigures | null,
  why = '',
): CheckpointVerdict {
  const ok = finding === 'same' || finding === 'grown'
  return { ok, finding, message: told(finding, checkpoint, log, why), remedy: remedies[finding], checkpoint, log }
}

function told(finding: CheckpointFinding, checkpoint: Checkpoint, log: LogFigures | null, why: string): string {
  const { runId, commits, keyId } = checkpoint
  const now = log?.commits ?? 0
  switch (finding) {
    case 'same':
      return `The log of run ${runId} is what was signed: ${commits} commits.`
    case 'grown':
      return `The log of run ${runId} begins with the ${commits} commits that were signed, and has grown by ${now - commits}.`
    case 'unknown-key':
      return `The checkpoint is signed by a key called ${keyId}, which is none of the pinned ones.`
    case 'bad-signature':
      return `The signature is not one of key ${keyId} over this checkpoint: one of them was changed.`
    case 'gone':
      return `There is no log of run ${runId}, of which ${commits} commits were signed.`
    case 'cut-off':
      return `The log of run ${runId} has ${now} commits; ${commits} were signed: its end was cut off, or an older copy was put in its place.`
    case 'rewritten':
      return `The log of run ${runId} is another history than the one that was signed${now < commits ? '' : `: its commit ${commits - 1} is another`}.`
    case 'other-run':
      return `The log under the name ${runId} is that of run ${why}.`
    case 'log-bad':
      return `The log of run ${runId} does not verify: ${why}`
  }
}
