/** Tells whether outputs of a kind of task are as they should be. `defineTask` makes these. */
export interface OutputSchema {
  readonly kind: string
  /** What is wrong, or `null`. */
  outputIssues(output: unknown): string | null
}
