import type { Run } from '../src/coordinator/run.js'
import { RunStage, request, requests } from './run-stage.js'

/** A run with one task of each phase that a round may meet: `t1` received, `t2` stopped, `t3` out, `t4` planned. */
export async function busyRun(): Promise<{ stage: RunStage; run: Run }> {
  const stage = new RunStage()
  const options = { policy: { attemptsMax: 1, inFlightMax: 3 }, successCriteria: ['all is counted', 'it adds up'] }
  const { run } = await stage.open(options)
  await stage.clock.run(run.dispatch([...requests(3), request('t4', { after: ['t3'] })]))
  await stage.answer('t1')
  await stage.answer('t2', { status: 'failed', output: null, error: { message: 'no disk' } })
  return { stage, run }
}
