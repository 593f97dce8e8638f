/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export { type ListTasksOptions, listTasks, type TaskRow, taskPlaces, taskRowSchema } from './replay/list-tasks.js'
export { type Reason, reasonSchema } from './replay/reason.js'
export { type RunOverview, type RunOverviewOptions, runOverview, runOverviewSchema } from './replay/run-overview.js'
export { type TaskDetails, taskDetails, taskDetailsSchema } from './replay/task-details.js'
export { type WhyCode, whyCodes } from './replay/why-codes.js'
export { type RunWhy, runWhySchema, type WhyRunOptions, whyRun } from './replay/why-run.js'
export { type TaskWhy, taskWhySchema, type WhyTaskOptions, whyTask } from './replay/why-task.js'
