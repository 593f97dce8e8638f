import { constants } from 'node:os'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { closeOnSignals } from '../src/runtime/on-signals.js'
import { gate } from './worker-fleet.js'

describe('closeOnSignals', () => {
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never)
  const write = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  afterEach(() => {
    exit.mockClear()
    write.mockClear()
  })
  const signals = ['SIGUSR2'] as const
  const send = () => process.emit('SIGUSR2', 'SIGUSR2')

  it('closes at the first signal and exits with 0 once that is done', async () => {
    const closed = gate()
    const close = vi.fn(() => closed.promise)
    const dispose = closeOnSignals({ close }, { signals, drainMs: 500 })
    send()
    expect(close).toHaveBeenCalledExactlyOnceWith({ drainMs: 500 })
    expect(exit).not.toHaveBeenCalled()
    closed.open()
    await vi.waitFor(() => expect(exit).toHaveBeenCalledExactlyOnceWith(0))
    dispose()
  })

  it('exits at once at the second signal, with the code that says which', () => {
    const close = vi.fn(() => gate().promise)
    const dispose = closeOnSignals({ close }, { signals })
    send()
    send()
    expect(close).toHaveBeenCalledExactlyOnceWith({})
    expect(exit).toHaveBeenCalledExactlyOnceWith(128 + constants.signals.SIGUSR2)
    dispose()
  })

  it('exits with 1 and says why if closing fails', async () => {
    const dispose = closeOnSignals({ close: () => Promise.reject(new Error('disk on fire')) }, { signals })
    send()
    await vi.waitFor(() => expect(exit).toHaveBeenCalledExactlyOnceWith(1))
    expect(write).toHaveBeenCalledWith(expect.stringContaining('disk on fire'))
    dispose()
  })

  it('gives closing ten seconds to end after an error that nobody caught meanwhile', () => {
    vi.useFakeTimers()
    const dispose = closeOnSignals({ close: () => gate().promise }, { signals })
    send()
    process.emit('uncaughtException', new Error('a bug'))
    expect(write).toHaveBeenCalledWith(expect.stringContaining('uncaught while closing: Error: a bug'))
    vi.advanceTimersByTime(9_999)
    expect(exit).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(exit).toHaveBeenCalledExactlyOnceWith(1)
    dispose()
    vi.useRealTimers()
  })

  it('listens for SIGTERM, SIGINT, SIGHUP and what nobody caught, and takes its listeners off again', () => {
    const names = ['SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException', 'unhandledRejection']
    const counts = () => names.map((name) => process.listenerCount(name))
    const before = counts()
    const dispose = closeOnSignals({ close: async () => {} })
    expect(counts()).toEqual(before.map((count) => count + 1))
    dispose()
    expect(counts()).toEqual(before)
  })

  it('leaves what nobody caught to others until it closes, if it is told to', () => {
    const before = process.listenerCount('uncaughtException')
    const dispose = closeOnSignals({ close: () => gate().promise }, { signals, uncaught: false })
    expect(process.listenerCount('uncaughtException')).toBe(before)
    send()
    expect(process.listenerCount('uncaughtException')).toBe(before + 1)
    dispose()
    expect(process.listenerCount('uncaughtException')).toBe(before)
  })
})
