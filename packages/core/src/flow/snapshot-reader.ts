import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { isKnownEvent } from '../protocol/upcast.js'
import { initialState } from './reduce-event.js'
import { type SnapshotLine, type SnapshotPosition, snapshotFormat, stateVersion } from './snapshot-text.js'

/** Why a snapshot is not used: its message goes on a sentence. Never an error of the run. */
export class SnapshotDoubt extends Error {}

/**
 * Makes a state of the lines of a snapshot again. It trusts them: whoever passes them checks their digest before the
 * state is used.
 */
export class SnapshotReader {
  readonly #state = initialState()
  #position: SnapshotPosition | null = null

  constructor(private readonly runId: RunId) {}

  /** `SnapshotDoubt` if this version of the library does not know the line, it is damaged, or it is of another run. */
  line(text: string): void {
    try {
      const line = JSON.parse(text) as SnapshotLine
      if (this.#position === null) this.#position = this.#begin(line)
      else this.#take(line)
    } catch (cause) {
      if (cause instanceof SnapshotDoubt) throw cause
      // Its own words hold a part of the line, and would stand in the log for ever.
      throw new SnapshotDoubt('it has a line that is not the JSON of a snapshot', { cause })
    }
  }

  /** After the last line. */
  finish(): { readonly state: RunState; readonly position: SnapshotPosition } {
    const position = this.#position
    if (position === null) throw new SnapshotDoubt('it is empty')
    if (this.#state.runId !== this.runId) throw new SnapshotDoubt('it is of another run')
    if (this.#state.version !== position.version) throw new SnapshotDoubt('it contradicts itself')
    return { state: this.#state, position }
  }

  #begin(line: SnapshotLine): SnapshotPosition {
    if (!('snapshot' in line) || line.snapshot !== snapshotFormat || line.state !== stateVersion) {
      throw new SnapshotDoubt('another version of the library wrote it')
    }
    // A log with an event that is not known here is refused, also where nobody would read it.
    if (!line.events.every(isKnownEvent)) throw new SnapshotDoubt('a later version of the library wrote it')
    if (line.runId !== this.runId) throw new SnapshotDoubt('it is of another run')
    const { commits, version, head, first } = line
    return { commits, version, head, first }
  }

  #take(line: SnapshotLine): void {
    const state = this.#state
    if ('fields' in line) Object.assign(state, line.fields)
    else if ('settled' in line) {
      for (const [at, taskId] of line.settled.entries()) state.settled.set(taskId, line.as[at] as number)
    } else if ('task' in line) state.tasks.set(line.task.spec.taskId, line.task)
    else if ('ready' in line) for (const taskId of line.ready) state.ready[line.priority]?.add(taskId)
    else if ('delayed' in line) for (const entry of line.delayed) state.delayed.push(entry)
    else if ('dependents' in line)
      for (const [taskId, waiting] of line.dependents) state.dependents.set(taskId, waiting)
    else if ('received' in line) for (const taskId of line.received) state.received.add(taskId)
    else if ('stopped' in line) for (const taskId of line.stopped) state.stopped.add(taskId)
    else if ('senders' in line) {
      for (const [name, next, ahead] of line.senders) state.senders.set(name, { next, ahead: new Set(ahead) })
    } else throw new SnapshotDoubt('it has a line that this library does not know')
  }
}
