import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { OpenRunOptions, TaskRequest, WatchdogOptions, WorkerOptions } from '@reprise/core'
import type { Place } from '../place.js'

// How a process of a test talks with the test that started it: one JSON object per line, both ways.

/** What the test wants of a coordinator. */
export interface CoordinatorOrder {
  readonly place: Place
  readonly run: Omit<OpenRunOptions, 'adapter'>
  readonly tasks: readonly TaskRequest[]
  /** False: opens and dispatches, then holds the run. Default true. */
  readonly finish?: boolean
  /** How often the run is opened again by this process after it had stopped. Default 0. */
  readonly reopenings?: number
  /** Large inputs do not fit on a command line: each task gets one of so many characters. */
  readonly inputCharacters?: number
}

/** What the test wants of a coordinator that works in rounds. */
export interface RoundsOrder {
  readonly place: Place
  readonly run: Omit<OpenRunOptions, 'adapter'>
  readonly tasks: readonly TaskRequest[]
  /** So many tasks go out in a round, once the ones before are settled. */
  readonly perRound: number
  /** The round that dispatches the tasks from this one on says that it is deciding, and waits until the test says something. */
  readonly holdAt?: number
  /** A note in that round. */
  readonly mark?: string
  /** It waits for this file instead, with the event loop blocked. */
  readonly blockUntil?: string
  /** Instead of the inputs of the tasks: so many characters each. */
  readonly inputCharacters?: number
}

/** What the test wants of a worker. */
export interface WorkerOrder extends Omit<WorkerOptions, 'adapter' | 'handlers'> {
  readonly place: Place
}

/** What the test wants of a watchdog. Without a `command` it says what it has to tell. */
export interface WatchdogOrder extends Omit<WatchdogOptions, 'adapter' | 'onIncident' | 'onError'> {
  readonly place: Place
}

/** Read once, as the process starts. */
export const readOrder = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T

/** Written before the call returns: what stands there was so, whatever happens to this process next. */
export function say(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

/** Calls `obey` with each line from the test. A process whose test is gone ends. */
export function listen(obey: (order: Readonly<Record<string, string>>) => unknown): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => obey(JSON.parse(line) as Record<string, string>))
  lines.on('close', () => process.exit(9))
}
