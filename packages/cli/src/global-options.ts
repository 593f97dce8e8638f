import type { OptionSpec } from './command.js'

/** What every command takes. */
export const globalSpecs = {
  at: {
    value: 'ADDRESS',
    says: 'a folder, redis://… or nats://…; default: $REPRISE_AT, or the nearest .reprise upwards',
    what: 'url',
  },
  with: {
    value: 'PART=ADDRESS',
    many: true,
    says: 'where leases, queue, inbox or artifacts are, if not with the log',
  },
  json: { says: 'print JSON for programs, not text for people' },
  color: { value: 'WHEN', says: 'colours (default: auto)', oneOf: ['auto', 'always', 'never'] },
} as const satisfies Readonly<Record<string, OptionSpec>>
