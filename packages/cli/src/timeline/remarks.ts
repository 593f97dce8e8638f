import type { Timeline } from '@reprise/core/replay'

/** What a picture must not keep to itself. */
export function remarksOf({ leftOut, skewed }: Timeline): string[] {
  const left = Object.entries(leftOut).filter(([, count]) => count > 0)
  return [
    ...(skewed > 0
      ? [`Clock skew: ${skewed} attempts have a time on the worker's clock that cannot be right on the coordinator's.`]
      : []),
    ...(left.length > 0
      ? [
          `Left out, the oldest first: ${left.map(([name, count]) => `${count} ${name}`).join(', ')}. A part is shown with --from and --to.`,
        ]
      : []),
  ]
}
