// A side of a comparison in a process of its own, so that no side pays for the garbage of the other. Called with
// arguments it is that process: script of the side, place, size of its fleet.
import { fork } from 'node:child_process'
import { join } from 'node:path'

/** No measurement takes longer; a result that got lost would be waited for in vain. */
const answerWithinMs = 180_000

/** @typedef {import('./reprise-side.mjs').Side} Side */

/** @param {string} script that exports `openSide` @param {object} where @param {import('./fleet.mjs').FleetSize} size @returns {Promise<Side>} */
export async function startSide(script, where, size) {
  const child = fork(join(import.meta.dirname, 'side-process.mjs'), [
    script,
    JSON.stringify(where),
    JSON.stringify(size),
  ])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  /** @param {unknown[] | null} call @returns {Promise<any>} */
  const answer = (call) =>
    new Promise((resolve, reject) => {
      const end = (/** @type {() => void} */ settle) => {
        clearTimeout(timer)
        child.off('message', take)
        child.off('exit', fail)
        settle()
      }
      const take = (/** @type {{ result: unknown }} */ { result }) => end(() => resolve(result))
      const fail = () => end(() => reject(new Error(`${script} ended before it answered ${JSON.stringify(call)}`)))
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        end(() => reject(new Error(`${script} did not answer ${JSON.stringify(call)} in ${answerWithinMs} ms`)))
      }, answerWithinMs)
      child.on('message', take)
      child.on('exit', fail)
      if (call !== null) child.send(call)
    })
  await answer(null)
  return {
    together: (name, count) => answer(['together', name, count]),
    oneByOne: (name, count) => answer(['oneByOne', name, count]),
    closedLoop: (name, count) => answer(['closedLoop', name, count]),
    async close() {
      child.disconnect()
      await ended
    },
  }
}

const [script, where, size] = process.argv.slice(2)
if (process.send !== undefined && size !== undefined) {
  const { openSide } = await import(join(import.meta.dirname, script ?? ''))
  /** @type {Side} */
  const side = await openSide(JSON.parse(where ?? ''), JSON.parse(size))
  process.on('message', async (/** @type {any} */ [method, name, count]) => {
    const result = await side[/** @type {'together'} */ (method)](name, count)
    process.send?.({ result })
  })
  process.on('disconnect', () => side.close())
  process.send({ result: 'ready' })
}
