import { usage } from './command-failure.js'

/** The value of an option that must be given. */
export function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw usage(`${name} is missing.`)
  return value
}
