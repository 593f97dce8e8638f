/** Whole runs for tests: coordinators and workers in processes of their own, and what the log says about them. */

export { startTwice } from './double-starts.js'
export { echoTasks, finishRun, startEchoWorker, type Work } from './finish-run.js'
export { FleetProcess, type Line } from './fleet-process.js'
export { acceptedTasks, dataOf, type LogFacts, logFacts } from './log-facts.js'
export { type MixedPlace, openPlace, type Place, type SinglePlace } from './place.js'
export { type FleetScript, ProcessFleet, type StartOptions } from './process-fleet.js'
export { TestFolders } from './test-folders.js'
export { checkRounds, notesIn } from './whole-rounds.js'
export { finishInRounds } from './work-in-rounds.js'
