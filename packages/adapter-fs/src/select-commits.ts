import { hashMatches, readRecordShape } from '@reprise/core/adapter'
import { isTornLine } from './torn-line.js'

/** Commits, and the first line behind them that can only be explained by damage: nothing behind it was looked at. */
export interface Selection {
  readonly texts: string[]
  readonly damage: { readonly line: number; readonly why: string } | null
}

/**
 * The commits among lines of a log, in order: for each index from `expected` on, the first intact line. Lines that
 * lost against another and lines torn by a failed write are passed over. The first line that is neither ends the
 * selection: no commit is ever passed over in silence.
 *
 * A line that the next index follows is not hashed here: its writer did so, and whoever decodes it will. So reading
 * costs little more than splitting the text; a wrong hash in the middle is found by `decodeCommit`.
 */
export function selectCommits(lines: readonly string[], expected: number): Selection {
  const texts: string[] = []
  /** Has the form of the next commit, and is not hashed. */
  let candidate: string | null = null
  let candidateAt = 0
  let next = expected

  const damaged = (line: number, why: string): Selection => ({ texts, damage: { line, why } })
  const badCandidate = (): Selection => damaged(candidateAt, 'its bytes do not have the hash that it carries')
  /** `false`: it is damaged. */
  const decideCandidate = (): boolean => {
    if (candidate === null) return true
    if (hashMatches(candidate)) {
      texts.push(candidate)
      next++
    } else if (!isTornLine(candidate)) {
      return false
    }
    candidate = null
    return true
  }

  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    const shape = readRecordShape(line)
    if (shape !== null && candidate !== null && shape.index === next + 1) {
      texts.push(candidate)
      next++
    } else {
      if (!decideCandidate()) return badCandidate()
      if (shape === null || shape.index !== next) {
        if (shape === null || !hashMatches(line)) {
          if (!isTornLine(line)) return damaged(at, 'it is neither a commit nor the remains of a failed write')
        } else if (shape.index > next) {
          return damaged(at, `it is commit ${shape.index}, and commit ${next} is missing`)
        }
        continue
      }
    }
    candidate = line
    candidateAt = at
  }
  return decideCandidate() ? { texts, damage: null } : badCandidate()
}
