import { z } from 'zod'
import { isDecided } from '../../flow/senders.js'
import { type EventType, eventDataSchemas } from '../../protocol/events.js'
import { after, before, type Invariant } from './invariant.js'

/** What holds of the log as such: who wrote it, in what form, and what it answers. */
export const logInvariants = {
  'opened-once': before(
    'The first event opens the run, and no other one does.',
    ['I1'],
    (_state, { type }, { version }) =>
      (type === 'run-opened') === (version === 1) ? null : `event ${version} is ${type}`,
  ),

  'epoch-is-lock': after(
    'The epoch of a commit is the version of the newest lock-acquired, so it only grows.',
    ['I4', 'P2'],
    ({ epoch }, _event, { commit, isLast }) =>
      isLast && commit.epoch !== epoch ? `the commit has epoch ${commit.epoch}, the lock is of version ${epoch}` : null,
  ),

  'holder-appends': {
    says: 'Only the holder of the lock appends, whoever takes it, and whoever makes a fork of the log.',
    shows: ['I4', 'P2'],
    begin: () => {
      let [holder, index, mayAppend]: [string | null, number, boolean] = [null, -1, false]
      return {
        before: (_state, event, { commit, isLast }) => {
          if (commit.index !== index) mayAppend = holder === commit.actor
          index = commit.index
          if (event.type === 'lock-acquired') {
            holder = event.data.holder.id
            // The commit that takes the lock is fenced by its place in the log.
            mayAppend = true
          } else if (event.type === 'lock-released') holder = null
          // Nobody can hold it sooner. The lock stands next to it, unless the log was forked in between.
          else if (event.type === 'run-opened') mayAppend = true
          else if (event.type === 'run-forked') {
            // Whoever forks a run makes another one, and holds neither.
            holder = null
            mayAppend = true
          }
          return !isLast || mayAppend ? null : `${commit.actor} appended it, and did not hold the lock`
        },
      }
    },
  },

  'event-form': before('The data of every event has the form of its schema.', ['I13', 'P11'], (_state, event) => {
    const [issue] = compiledSchema(event.type).safeParse(event.data).error?.issues ?? []
    return issue === undefined ? null : `${[event.type, ...issue.path].join('.')}: ${issue.message}`
  }),

  'message-decided-once': {
    says: 'A message from an inbox is decided once, however often it arrived.',
    shows: ['I6', 'P4'],
    begin: () => {
      // Events of one decision follow each other.
      let deciding = ''
      return {
        before: (state, { cause }) => {
          const message = cause === undefined ? '' : `${cause.seq} ${cause.sender}`
          const isAgain = cause !== undefined && message !== deciding && isDecided(state, cause)
          deciding = message
          return isAgain ? `message ${cause.seq} of ${cause.sender} was decided before` : null
        },
      }
    },
  },

  'closed-stays-closed': before(
    'Once the run is complete or failed, nothing follows but the release of the lock, or a fork that goes on as another run.',
    ['I11'],
    ({ mode, status }, { type }) =>
      mode === 'closed' && type !== 'lock-released' && type !== 'run-forked'
        ? `${type} came after the run was ${status}`
        : null,
  ),
} as const satisfies Record<string, Invariant>

const compiled = new Map<EventType, z.ZodType>()

/** Compiled when an event of its type comes: once per process, for the many that follow. */
function compiledSchema(type: EventType): z.ZodType {
  const known = compiled.get(type)
  if (known !== undefined) return known
  const schema = z.compile(eventDataSchemas[type] as z.ZodType)
  compiled.set(type, schema)
  return schema
}
