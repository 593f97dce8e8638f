import { describe, expect, it } from 'vitest'
import type { CommandInput } from '../src/protocol/commands.js'
import { limits } from '../src/protocol/limits.js'
import { dispatch, failed, given, receipt, settled, startAt, task } from './given-run.js'

const cancel = (taskId: string): CommandInput => ({ type: 'cancel', taskId, reason: 'not needed' })
const inAnHour = '2026-01-01T01:00:00.000Z'

describe('dispatching new tasks', () => {
  it('records the task, its digest and its deadline, and offers the attempt', () => {
    const { events, offers } = given({ attemptTimeoutMs: 60_000 }).when(dispatch('a')).allowed
    const [offer] = offers
    expect(events[0]?.data).toMatchObject({
      taskId: 'a',
      attempt: 1,
      digest: offer?.digest,
      deadlineAt: '2026-01-01T00:01:00.000Z',
      task: { taskId: 'a', kind: 'work', input: { of: 'a' }, lane: 'default', priority: 5, after: [], depth: 0 },
    })
    expect(JSON.parse(offer?.body ?? '')).toMatchObject({ runId: 'run-1', taskId: 'a', attempt: 1, epoch: 2 })
  })

  it('takes the deadline from the task if it has one of its own', () => {
    const { events } = given().when(dispatch(task('a', { timeoutMs: 1 })))
    expect(events[0]?.data).toMatchObject({ deadlineAt: '2026-01-01T00:00:00.001Z' })
  })

  it('records the change to dispatching once, before the first dispatch of the commit', () => {
    given({}, dispatch('a'))
      .when(dispatch('b', 'c'))
      .gives('mode-changed awaiting dispatching', 'dispatched b 1', 'dispatched c 1')
    given({}, dispatch('a'), receipt('a'))
      .when(dispatch('b'))
      .gives('mode-changed evaluating dispatching', 'dispatched b 1')
  })

  it('records the change to dispatching also when a task that must wait comes first', () => {
    const waiting = task('b', { priority: 9, notBefore: inAnHour })
    given({}, dispatch('a'))
      .when(dispatch(waiting, 'c'))
      .gives('planned b 1 time', 'mode-changed awaiting dispatching', 'dispatched c 1')
  })

  it('records no mode change when all of it is planned', () => {
    given({ inFlightMax: 1 }, dispatch('a')).when(dispatch('b')).gives('planned b 1 no-slot')
  })

  it('gives slots by priority, and plans the rest', () => {
    given({ inFlightMax: 2 })
      .when(dispatch(task('low', { priority: 0 }), 'middle', task('high', { priority: 9 })))
      .gives('dispatched high 1', 'dispatched middle 1', 'planned low 1 no-slot')
  })

  it('does not let new tasks overtake those that wait for a slot', () => {
    const run = given({ inFlightMax: 1 }, dispatch('a', 'b'), receipt('a'))
    run.when(dispatch(task('c', { priority: 9 }))).gives('planned c 1 no-slot')
  })

  it('does not let new tasks overtake those whose time has come', () => {
    const run = given({}, dispatch(task('a', { notBefore: inAnHour }))).later(3_600_000)
    run.when(dispatch('b')).gives('planned b 1 no-slot')
  })

  it('plans a task that waits for a time or for other tasks', () => {
    const { events } = given()
      .when(dispatch('a', task('b', { after: ['a'], notBefore: inAnHour }), task('c', { notBefore: inAnHour })))
      .gives('dispatched a 1', 'planned b 1 after', 'planned c 1 time')
    expect(events.slice(1).map(({ data }) => data)).toMatchObject([{ notBefore: inAnHour }, { notBefore: inAnHour }])
  })

  it('does not wait for a time that has passed or for tasks that were accepted', () => {
    given({}, ...settled('a'))
      .when(dispatch(task('b', { after: ['a'], notBefore: startAt })))
      .gives('dispatched b 1')
  })

  it('counts depth from the parent, settled or not', () => {
    const run = given({}, ...settled('a'), dispatch(task('b', { parent: 'a' })))
    const { events } = run.when(dispatch(task('c', { parent: 'b' }), task('d', { parent: 'c' })))
    const depths = events.flatMap((event) => (event.type === 'dispatched' ? [event.data.task?.depth] : []))
    expect(depths).toEqual([2, 3])
  })

  it('of no tasks changes nothing', () => {
    given().when(dispatch()).gives()
  })
})

describe('dispatching a task id again', () => {
  it('changes nothing while the task is planned, out, received or settled', () => {
    const run = given({ inFlightMax: 3 }, ...settled('done'), dispatch('back', 'out'), receipt('back'))
    run.and(dispatch(task('later', { notBefore: inAnHour })))
    const { known } = run.when(dispatch('done', 'back', 'out', 'later')).gives().allowed
    expect(known).toEqual(['done', 'back', 'out', 'later'])
  })

  it('counts a task that stands twice in one command once', () => {
    given().when(dispatch('a', 'a')).gives('dispatched a 1')
  })

  it('dispatches a stopped task while attempts remain, as its next attempt and without repeating it in the log', () => {
    const run = given({}, dispatch('a'), receipt('a'), { type: 'reject', taskId: 'a', reason: 'wrong' })
    const { events } = run.when(dispatch('a')).gives('dispatched a 2')
    expect(events[0]?.data).not.toHaveProperty('task')
  })

  it('changes nothing when the attempts are used up', () => {
    given({ attemptsMax: 1 }, dispatch('a'), failed('a')).when(dispatch('a')).gives()
  })

  it('is refused when kind or input differ, whatever the order of keys', () => {
    const run = given({}, dispatch(task('a', { input: { x: 1, y: 2 } })))
    run.when(dispatch(task('a', { input: { y: 2, x: 1 } }))).gives()
    run.when(dispatch(task('a', { input: { x: 1, y: 3 } }))).isRefused('TASK_CONFLICT')
    run.when(dispatch(task('a', { input: { x: 1, y: 2 }, kind: 'play' }))).isRefused('TASK_CONFLICT')
  })

  it('is refused when one command holds two different tasks under one id', () => {
    given()
      .when(dispatch('a', task('a', { input: 'other' })))
      .isRefused('TASK_CONFLICT')
  })
})

describe('a dispatch with something wrong in it', () => {
  it('is refused whole: nothing of it is recorded', () => {
    given()
      .when(dispatch('a', task('b', { after: ['nobody'] })))
      .isRefused('TASK_UNKNOWN')
  })

  it('is refused when a parent is not in the run', () => {
    given()
      .when(dispatch(task('a', { parent: 'nobody' })))
      .isRefused('TASK_UNKNOWN')
  })

  it('is refused when a task waits for itself, or for one that comes later in the command', () => {
    given()
      .when(dispatch(task('a', { after: ['a'] })))
      .isRefused('TASK_UNKNOWN')
    given()
      .when(dispatch(task('a', { after: ['b'] }), 'b'))
      .isRefused('TASK_UNKNOWN')
  })

  it('is refused when a task waits for one that was cancelled', () => {
    given({}, dispatch('a'), cancel('a'))
      .when(dispatch(task('b', { after: ['a'] })))
      .isRefused('TASK_SETTLED')
  })

  it('is refused when an input is too large as UTF-8, not only as characters', () => {
    const euros = '€'.repeat(limits.inputBytesMax / 3)
    given()
      .when(dispatch(task('a', { input: euros })))
      .isRefused('TOO_LARGE')
    given()
      .when(dispatch(task('a', { input: euros.slice(1) })))
      .gives('dispatched a 1')
  })
})
