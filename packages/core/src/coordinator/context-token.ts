import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ContextBasis } from '../flow/decision.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'

const prefix = 'rct1'
const macBytes = 16

/**
 * Says which version of a run somebody was shown. Signed with the hash of the run's first commit, which nobody can guess
 * who cannot read its log: it keeps apart runs, and what was issued from what was made up. It is no permission.
 */
export function issueToken(runId: RunId, basis: ContextBasis, firstHash: string): string {
  const content = Buffer.from(JSON.stringify([runId, basis.version, basis.epoch])).toString('base64url')
  return `${prefix}.${content}.${mac(content, firstHash).toString('base64url')}`
}

/** What a token was issued for. `TOKEN_INVALID` if it was not issued for this run, or not unchanged. */
export function readToken(runId: RunId, token: string, firstHash: string, version: number): ContextBasis {
  const [start, content, signature, ...rest] = token.split('.')
  if (start !== prefix || content === undefined || signature === undefined || rest.length > 0) {
    throw invalid(runId, 'it does not have the form of one')
  }
  const claimed = Buffer.from(signature, 'base64url')
  const right = mac(content, firstHash)
  if (claimed.length !== right.length || !timingSafeEqual(claimed, right)) {
    throw invalid(runId, 'its signature is not that of this run')
  }
  const [ofRun, tokenVersion, epoch] = JSON.parse(Buffer.from(content, 'base64url').toString()) as [
    RunId,
    number,
    number,
  ]
  if (ofRun !== runId) throw invalid(runId, `it is of run ${ofRun}`)
  if (tokenVersion > version) {
    throw invalid(
      runId,
      `it is of version ${tokenVersion}, which the log (version ${version}) does not have: commits were lost`,
    )
  }
  return { version: tokenVersion, epoch }
}

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
