import { hash } from 'node:crypto'
import type { RunId, TaskId } from '@reprise/core/adapter'
import { encodeToken, type Names } from '../names.js'

/** Subjects of one lane. A worker of the lane needs these and no others. */
export interface LaneNames {
  /** The lane as one token of a subject. Also the name of its durable consumer. */
  readonly token: string
  readonly consumer: string
  /** What the consumer delivers. */
  readonly tasks: string
  taskSubject(attempt: string): string
  /** Workers tell each other that they were handed an attempt that another one may still be at. */
  readonly claimed: string
  /** Coordinators tell workers that an attempt was withdrawn. */
  readonly withdrawn: string
  /** Anybody asks who holds an attempt; only its holder answers. */
  readonly where: string
  /** A worker tells coordinators that its consumer is not there, and that it may not make it. */
  readonly missing: string
}

export const laneNames = (names: Names, lane: string): LaneNames => laneNamesOfToken(names, encodeToken(lane))

export function laneNamesOfToken({ prefix }: Names, token: string): LaneNames {
  const talk = `${prefix}.lanes.${token}`
  return {
    token,
    consumer: token,
    tasks: `${prefix}.tasks.${token}.*`,
    taskSubject: (attempt) => `${prefix}.tasks.${token}.${attempt}`,
    claimed: `${talk}.claimed`,
    withdrawn: `${talk}.withdrawn`,
    where: `${talk}.where`,
    missing: `${talk}.missing`,
  }
}

/** `missing` of every lane. */
export const missingSubjects = ({ prefix }: Names): string => `${prefix}.lanes.*.missing`

/** The token in `<prefix>.lanes.<lane>.missing`. */
export const laneOfMissing = (subject: string): string => subject.split('.')[2] ?? ''

/** Matches an attempt whatever its lane. */
export const anyLaneSubject = ({ prefix }: Names, attempt: string): string => `${prefix}.tasks.*.${attempt}`

/** Of `<prefix>.tasks.<lane>.<attempt>`. */
export const laneTokenOf = (subject: string): string => subject.split('.')[2] ?? ''
export const attemptTokenOf = (subject: string): string => subject.slice(subject.lastIndexOf('.') + 1)

const attemptTokenLength = 32

/** One token for any attempt: 192 bits of a hash, since task ids are longer than subjects may be. */
export const attemptToken = (runId: RunId, taskId: TaskId, attempt: number): string =>
  hash('sha256', JSON.stringify([runId, taskId, attempt]), 'base64url').slice(0, attemptTokenLength)
