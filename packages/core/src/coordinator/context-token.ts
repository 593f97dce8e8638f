import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ContextBasis } from '../flow/decision.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { sha256 } from '../protocol/sha256.js'

/** What somebody was shown, and who held the run then. */
export interface TokenBasis extends ContextBasis {
  readonly holder?: string | null
}

const prefix = 'rct1'
const macBytes = 16

/**
 * Says which version of a run somebody was shown. Signed with the hash of the run's first commit, which nobody can guess
 * who cannot read its log: it keeps apart runs, and what was issued from what was made up. It is no permission.
 */
export function issueToken(runId: RunId, shown: TokenBasis, firstHash: string): string {
  const { version, epoch, holder } = shown
  const content = Buffer.from(JSON.stringify([runId, version, epoch, ...markOf(holder)])).toString('base64url')
  return `${prefix}.${content}.${mac(content, firstHash).toString('base64url')}`
}

/**
 * What a token was issued for. `TOKEN_INVALID` if it was not issued for this run as its log has it, `log`, or not unchanged.
 * Who only knows the version that the log has does not find out if it once had others up to there.
 */
export function readToken(
  runId: RunId,
  token: string,
  firstHash: string,
  log: Pick<TokenBasis, 'version'> & Partial<TokenBasis>,
): ContextBasis {
  const [start, content, signature, ...rest] = token.split('.')
  if (start !== prefix || content === undefined || signature === undefined || rest.length > 0) {
    throw invalid(runId, 'it does not have the form of one')
  }
  const claimed = Buffer.from(signature, 'base64url')
  const right = mac(content, firstHash)
  if (claimed.length !== right.length || !timingSafeEqual(claimed, right)) {
    throw invalid(runId, 'its signature is not that of this run')
  }
  const [ofRun, version, epoch, mark] = JSON.parse(Buffer.from(content, 'base64url').toString()) as [
    ...[RunId, number, number],
    string?,
  ]
  if (ofRun !== runId) throw invalid(runId, `it is of run ${ofRun}`)
  if (version > log.version) {
    throw invalid(
      runId,
      `it is of version ${version}, which the log (version ${log.version}) does not have: commits were lost`,
    )
  }
  const [now] = markOf(log.holder)
  if (epoch === log.epoch && mark !== undefined && now !== undefined && mark !== now) {
    throw invalid(runId, `another coordinator took its epoch ${epoch} than the one in the log: commits were lost`)
  }
  return { version, epoch }
}

/** Keeps apart two who took the lock at the same version, one of them in commits that were lost. */
const markOf = (holder: string | null | undefined): string[] => (holder ? [sha256(holder).slice(0, 8)] : [])

const mac = (content: string, firstHash: string): Buffer =>
  createHmac('sha256', `reprise-context-token\n${firstHash}`)
    .update(`${prefix}.${content}`)
    .digest()
    .subarray(0, macBytes)

const invalid = (runId: RunId, why: string): RepriseError =>
  new RepriseError(
    'TOKEN_INVALID',
    `The context token is not valid for run ${runId}: ${why}. Nothing was recorded. Take a new one from a briefing of this run.`,
    { details: { runId } },
  )
