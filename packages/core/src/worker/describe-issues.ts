import type { z } from 'zod'

const issuesShown = 3
const lengthMax = 1000

/** The first issues of a zod error with their paths, in one line: `path: expected string; lines: too small`. */
export function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, issuesShown).map(({ path, message }) => {
    const place = path.map(String).join('.')
    return place === '' ? message : `${place}: ${message}`
  })
  const more = error.issues.length - shown.length
  return `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`.slice(0, lengthMax)
}
