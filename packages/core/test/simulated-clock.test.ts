import { describe, expect, it } from 'vitest'
import { SimulatedClock } from '../src/testing.js'

const runOnce = async (seed: number): Promise<string[]> => {
  const clock = new SimulatedClock({ seed })
  const story: string[] = []
  for (const runtime of [clock.process(), clock.process()]) {
    const live = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await runtime.sleep(1 + Math.floor(clock.random() * 100))
        story.push(`${runtime.pid} ${runtime.now()} ${runtime.randomId()}`)
      }
    }
    void live()
  }
  await clock.advance(1000)
  return story
}

describe('simulated clock', () => {
  it('tells the same story for the same seed and another for another', async () => {
    const first = await runOnce(7)
    expect(first).toHaveLength(6)
    expect(await runOnce(7)).toEqual(first)
    expect(await runOnce(8)).not.toEqual(first)
  })

  it('wakes sleepers in the order of their due times, each at its own time', async () => {
    const clock = new SimulatedClock({ startAt: 0 })
    const runtime = clock.process()
    const woken: number[] = []
    for (const ms of [30, 10, 20, 10]) void runtime.sleep(ms).then(() => woken.push(runtime.now()))
    await clock.advance(25)
    expect(woken).toEqual([10, 10, 20])
    expect(clock.now()).toBe(25)
    await clock.advance(5)
    expect(woken).toEqual([10, 10, 20, 30])
  })

  it('ends a sleep early when its signal aborts, without moving time', async () => {
    const clock = new SimulatedClock({ startAt: 0 })
    const runtime = clock.process()
    const controller = new AbortController()
    const sleep = runtime.sleep(1000, controller.signal)
    controller.abort()
    await sleep
    await runtime.sleep(1000, controller.signal)
    expect(clock.now()).toBe(0)
  })

  it('runs a deferred task after everything that is ready, process.nextTick callbacks included', async () => {
    const clock = new SimulatedClock()
    const runtime = clock.process()
    const story: string[] = []
    runtime.defer(() => story.push('deferred'))
    process.nextTick(() => void Promise.resolve().then(() => story.push('ready')))
    await clock.settle()
    expect(story).toEqual(['ready', 'deferred'])
  })

  it('lets time pass until a promise settles, and settles the same way', async () => {
    const clock = new SimulatedClock({ startAt: 0 })
    const runtime = clock.process()
    expect(await clock.run(runtime.sleep(5000).then(() => 'done'))).toBe('done')
    expect(clock.now()).toBe(5000)
    await expect(clock.run(Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  })

  it('says that it is stuck when nothing is left that could happen, or the limit is reached', async () => {
    const clock = new SimulatedClock()
    await expect(clock.run(new Promise(() => {}))).rejects.toMatchObject({ code: 'TIMEOUT' })
    void clock.process().sleep(10_000)
    await expect(clock.runUntil(() => false, 100)).rejects.toMatchObject({ code: 'TIMEOUT' })
  })

  it('holds the timers of a paused process until it is continued', async () => {
    const clock = new SimulatedClock({ startAt: 0 })
    const [zombie, other] = [clock.process(), clock.process()]
    const woken: string[] = []
    void zombie.sleep(10).then(() => woken.push(`zombie at ${zombie.now()}`))
    void other.sleep(20).then(() => woken.push(`other at ${other.now()}`))
    zombie.pause()
    await clock.advance(100)
    zombie.resume()
    await clock.advance(1)
    expect(woken).toEqual(['other at 20', 'zombie at 100'])
  })

  it('never wakes a process that was killed', async () => {
    const clock = new SimulatedClock()
    const runtime = clock.process()
    const woken: string[] = []
    void runtime.sleep(10).then(() => woken.push('before'))
    runtime.kill()
    void runtime.sleep(10).then(() => woken.push('after'))
    runtime.defer(() => woken.push('deferred'))
    await clock.advance(100)
    expect(woken).toEqual([])
  })

  it('steps the wall clock without touching the time that sleepers have left', async () => {
    const clock = new SimulatedClock({ startAt: 10_000 })
    const runtime = clock.process()
    let woken = false
    void runtime.sleep(50).then(() => {
      woken = true
    })
    clock.step(-9000)
    expect(runtime.now()).toBe(1000)
    await clock.advance(49)
    expect(woken).toBe(false)
    await clock.advance(1)
    expect(woken).toBe(true)
  })
})
