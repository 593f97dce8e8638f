import { Environment } from '@marcbachmann/cel-js'
import type { Condition } from '@reprise/core/replay'
import { type CommandFailure, usage } from './command-failure.js'
import { phaseOf, type Seen, viewedNames } from './state-view.js'

/** An expression that was read and found to be one. */
export interface Expression {
  readonly holds: Condition
  /** Events at which it asked for something that was not there, and so did not hold. */
  readonly absent: { count: number; first: { readonly version: number; readonly what: string } | null }
}

/** An expression in CEL over what `viewedNames` lists. Fails, showing where, if it is none or names what there is not. */
export function readExpression(text: string): Expression {
  const seen = { state: null, event: null, commit: null } as unknown as Seen
  const { environment, view } = environmentOf(seen)
  const checked = environment.check(text)
  if (!checked.valid) throw wrong(checked.error)
  if (checked.type !== 'bool' && checked.type !== 'dyn') {
    throw usage(`The expression gives ${checked.type}, not true or false: compare it with something.`)
  }
  const evaluate = environment.parse(text)
  const absent: Expression['absent'] = { count: 0, first: null }
  const holds: Condition = (state, event, commit) => {
    seen.state = state
    seen.event = event
    seen.commit = commit
    const { stackTraceLimit } = Error
    // What is not there is thrown, perhaps at most events: nobody looks at the stack, which costs more than all the rest.
    Error.stackTraceLimit = 0
    try {
      const value = evaluate(view)
      if (typeof value === 'boolean') return value
      throw usage(`At event ${state.version} the expression gives ${typeof value}, not true or false.`)
    } catch (error) {
      const what = absence(error)
      if (what === null) throw error instanceof Error && 'summary' in error ? wrong(error, state.version) : error
      absent.count++
      absent.first ??= { version: state.version, what }
      return false
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }
  return { holds, absent }
}

/** What was not there: a task that has not come in yet, data that this type of event does not have. */
function absence(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  if (error.code !== 'no_such_key' && error.code !== 'index_out_of_bounds') return null
  return 'summary' in error ? String(error.summary) : null
}

/** Its message shows the line, and under it a mark at the place. */
function wrong(error: unknown, version?: number): CommandFailure {
  const where = version === undefined ? '' : ` at event ${version}`
  const says = error instanceof Error ? error.message : String(error)
  const hint = version === undefined ? '' : '\nGuard it, as in: x != null && x > 3.'
  return usage(`The expression does not work${where}: ${says}${hint}`)
}

/** Numbers in the data of events are not told apart from whole ones: both go together here. */
const mixed: readonly (readonly [string, (a: number, b: number) => number])[] = [
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
  ['%', (a, b) => a % b],
]

function environmentOf(seen: Seen): { environment: Environment; view: object } {
  const environment = new Environment({ enableOptionalTypes: true })
  const view = {}
  for (const [name, { type, says, read }] of Object.entries(viewedNames.run)) {
    environment.registerVariable(name, type, { description: says })
    Object.defineProperty(view, name, { get: () => read(seen) })
  }
  for (const [group, names] of Object.entries(viewedNames.groups)) {
    const View = class {}
    const fields: Record<string, string> = {}
    for (const [name, { type, read }] of Object.entries(names)) {
      fields[name] = type
      Object.defineProperty(View.prototype, name, { get: () => read(seen) })
    }
    environment.registerType(`run.${group}`, { ctor: View, fields })
    environment.registerVariable(group, `run.${group}`)
    Object.defineProperty(view, group, { value: new View() })
  }
  environment.registerFunction('phase(string): string', (taskId: string) => phaseOf(seen, taskId))
  for (const [operator, compute] of mixed) {
    environment.registerOperator(`double ${operator} int`, (a: number, b: bigint) => compute(a, Number(b)))
    environment.registerOperator(`int ${operator} double`, (a: bigint, b: number) => compute(Number(a), b))
  }
  environment.registerOperator('double == int', (a: number, b: bigint) => a === Number(b))
  return { environment, view }
}
