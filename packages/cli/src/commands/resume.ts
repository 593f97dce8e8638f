import { resolve } from 'node:path'
import { isRepriseError, openRun, type Run } from '@reprise/core'
import { defineCommand } from '../command.js'
import { usage } from '../command-failure.js'
import { exitOfCode } from '../exit-codes.js'
import { eventLine, type HeldLine, heldLine, holdRun } from '../hold-run.js'
import { linesWhile } from '../lines-while.js'
import { runIdOf, unknownRun, withoutAdvice } from '../read-values.js'
import { resumedOf, resumedText } from '../resumed-report.js'

const modes = ['recovering', 'dispatching', 'awaiting', 'evaluating', 'closed'] as const

export const resume = defineCommand({
  args: { RUN: { says: 'the id of the run', what: 'run' } },
  options: {
    'expect-mode': { says: 'the mode that you believe it to be in; corrected on record', value: 'MODE', oneOf: modes },
    now: { says: 'take the run over from a live holder, which stops then' },
    hold: { says: 'go on holding it until Ctrl-C, one line per event' },
    'until-settled': {
      says: 'hold it until nothing more comes back by itself: it waits for decisions, or for nothing',
    },
    'state-file': { says: 'the state file of the run, to be kept right', value: 'PATH', what: 'file' },
  },
  details: `Takes the run up: passes every resume gate in order, records what came back while nobody was home, offers again what
is out, and shows all of it. The run is let go again, unless it is to be held. A gate that fails stops it: it is named with
its evidence, nothing is decided, and the exit code is 1; 5 if the run is held by somebody alive.

With --hold this process is the coordinator: it records receipts, lets expired attempts be tried again, sends out what is
planned, and obeys what other commands ask for. It decides nothing about results: accept and reject are for others.`,
  examples: [
    { line: 'resume digest-src', says: 'take it up, see where it stands' },
    { line: 'resume digest-src --hold --until-settled', says: 'be its coordinator until all work is back' },
  ],
  output: 'lines',
  schema: heldLine,
  async *run(context, { args, options }) {
    const runId = runIdOf(args.RUN)
    const file = options['state-file']
    const adapter = await context.open({ to: 'write' })
    let run: Run
    try {
      run = await openRun({
        ...{ adapter, runId, signal: context.signal, takeover: options.now ? 'now' : 'when-dead' },
        ...(options['expect-mode'] !== undefined && { expectMode: modeOf(options['expect-mode']) }),
        ...(file !== undefined && { stateFile: resolve(context.cwd, file) }),
      })
    } catch (error) {
      if (isRepriseError(error, 'RUN_UNKNOWN')) throw unknownRun(runId, context.place)
      if (!isRepriseError(error) || typeof error.details.gate !== 'string') throw error
      context.exitWith(exitOfCode(error.code))
      const evidence = withoutAdvice(error.message)
      const held = `${evidence} Send it commands, or take the run over with: reprise resume ${runId} --now.`
      const message = error.code === 'RUN_HELD' ? held : error.message
      const failed = { gate: error.details.gate, evidence, code: error.code, message }
      yield await resumedOf(adapter, runId, { failed })
      return
    }
    if (!options.hold && !options['until-settled']) {
      await run.close()
      yield await resumedOf(adapter, runId, { run })
      return
    }
    yield* linesWhile<HeldLine>((tell) => holdRun(run, { context, adapter, settled: options['until-settled'] }, tell))
  },
  human: (value, style) => (value.type === 'resumed' ? resumedText(value, style) : eventLine(value, style)),
})

const modeOf = (text: string): (typeof modes)[number] => {
  const mode = modes.find((name) => name === text)
  if (mode === undefined) throw usage(`${text} is no mode: ${modes.join(', ')}.`)
  return mode
}
