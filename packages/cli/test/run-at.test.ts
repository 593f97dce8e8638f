import { describe, expect, it } from 'vitest'
import { readRunAt, readWhere, unknownRunAt } from '../src/run-at.js'

describe('a run and a place in its log', () => {
  it.each([
    ['digest', 'digest', { back: 0 }],
    ['digest@HEAD', 'digest', { back: 0 }],
    ['digest@57', 'digest', { version: 57 }],
    ['digest@0', 'digest', { version: 0 }],
    ['digest@-1', 'digest', { back: 1 }],
    ['digest@2026-11-21T10:00:00Z', 'digest', { at: '2026-11-21T10:00:00.000Z' }],
    ['digest@2026-11-21T10:00:00.5+02:00', 'digest', { at: '2026-11-21T08:00:00.500Z' }],
    ['digest@2026-11-21T10:00Z', 'digest', { at: '2026-11-21T10:00:00.000Z' }],
  ])('%s is read from behind the last @', (text, runId, where) => {
    expect(readRunAt(text)).toMatchObject({ runId, where })
  })

  it.each([
    ['team@digest', 'team@digest', { back: 0 }],
    ['team@digest@57', 'team@digest', { version: 57 }],
    ['job@57@HEAD', 'job@57', { back: 0 }],
    ['job@5x', 'job@5x', { back: 0 }],
    ['job@head', 'job@head', { back: 0 }],
    ['job@2026-11-21', 'job@2026-11-21', { back: 0 }],
    ['job@2026-11-21T10:00:00', 'job@2026-11-21T10:00:00', { back: 0 }],
    ['job@1.5', 'job@1.5', { back: 0 }],
    ['job@', 'job@', { back: 0 }],
  ])('%s: an @ that no place follows belongs to the id', (text, runId, where) => {
    expect(readRunAt(text)).toMatchObject({ runId, where })
  })

  it('says how to write the id of a run that looks like a place', () => {
    expect(unknownRunAt(readRunAt('job@57'), 'here').message).toContain(
      'If the id of the run is job@57, write job@57@HEAD.',
    )
    expect(unknownRunAt(readRunAt('job'), 'here').message).not.toContain('If the id')
    // With a zone like this the whole could not be an id.
    expect(unknownRunAt(readRunAt('job@2026-11-21T10:00:00+02:00'), 'here').message).not.toContain('If the id')
  })

  it.each(['', '@57', 'a b@57', '../x@57', '@', '-x'])('%j names no run', (text) => {
    expect(() => readRunAt(text)).toThrow(/is not a run id/)
  })

  it.each(['', 'head', '1.5', '--1', '+1', '1e3', '٣', 'yesterday', '2026-13-01T00:00:00Z', '9'.repeat(16)])(
    '%j is no place in a log',
    (text) => {
      expect(() => readWhere(text)).toThrow(/is no place in a log/)
    },
  )
})
