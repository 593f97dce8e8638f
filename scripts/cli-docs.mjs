// docs/cli.md is what the commands say about themselves. `node scripts/cli-docs.mjs` writes it from the built registry of
// packages/cli; with --check it fails if the file is not what would be written.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { root } from './setup.mjs'

/** @typedef {{ says: string, optional?: true, many?: true, oneOf?: readonly string[] }} Argument */
/** @typedef {{ says: string, value?: string, many?: true, short?: string, oneOf?: readonly string[] }} Option */
/** @typedef {{ args: Record<string, Argument>, options: Record<string, Option>, details: string, examples: readonly { line: string, says: string }[], output: 'document' | 'lines' | 'raw', schema: z.ZodType }} Command */
/** @typedef {{ name: string, group: string, says: string, load: () => Promise<Command> }} Entry */
/** @typedef {{ entry: Entry, command: Command }} Loaded */
/** @typedef {Record<string, unknown> & { type?: string, description?: string }} Schema */

const documentName = 'docs/cli.md'

const addresses = [
  ['`.reprise`, `/var/lib/work`', 'a folder, by the files adapter'],
  ['`redis://host:6379/0`, `rediss://user:password@host`', 'Redis, without and with TLS'],
  ['`nats://host:4222`, `tls://user:password@host`, `nats://token@host`', 'NATS JetStream, without and with TLS'],
  [
    '`redis://host?prefix=team-a`',
    'other names for keys and subjects than `reprise…`, so that several fleets share a server',
  ],
]
const environment = [
  ['`REPRISE_AT`', 'the address, where `--at` is not given'],
  ['`REPRISE_WITH`', 'what `--with` takes, several with spaces between them'],
  ['`REPRISE_TOKEN`', 'the context token of a command that takes `--token`, where that is not given'],
  ['`REPRISE_COMPLETE_MS`', 'what completions wait for a backend, in milliseconds (default: 500)'],
  ['`NO_COLOR`', 'set to anything: no colours, unless `--color always`'],
  ['`FORCE_COLOR`', 'colours in pipes too; `0`: none'],
  ['`COLUMNS`', 'the width that output is fitted to'],
]

/** @returns {Promise<string>} */
export async function cliDocs() {
  /** @param {string} name */
  const load = (name) => import(pathToFileURL(join(root, 'packages/cli/dist', name)).href)
  const { registry, groups } = await load('registry.js')
  const { exitCodes } = await load('exit-codes.js')
  const { globalSpecs } = await load('global-options.js')
  /** @type {Loaded[]} */
  const all = await Promise.all(
    Object.keys(groups)
      .flatMap((group) => registry.filter((/** @type {Entry} */ entry) => entry.group === group))
      .map(async (/** @type {Entry} */ entry) => ({ entry, command: await entry.load() })),
  )
  const parts = Object.entries(/** @type {Record<string, string>} */ (groups)).flatMap(([group, title]) => {
    const own = all.filter(({ entry }) => entry.group === group)
    return own.length === 0 ? [] : [`## ${title}`, ...own.flatMap(commandParts)]
  })
  return `${[
    '# The `reprise` command',
    '<!-- Written by scripts/cli-docs.mjs from the commands themselves: change them, not this page. -->',
    'Every command has `--help`. With `--json` it prints what is described under "JSON" below, and nothing else on standard output; ' +
      'fields are never taken away or given another meaning within a major version, new ones may come. Times are ISO 8601 in UTC, ' +
      'lengths of time are milliseconds where the name ends in `Ms`. A command that fails prints ' +
      '`{"error": {"code", "message", "details"}}` and says the same on standard error.',
    contents(all, groups),
    '## Addresses',
    'Where runs are: `--at ADDRESS`, else `REPRISE_AT`, else the nearest folder `.reprise` from here upwards. Passwords in addresses are never printed.',
    table(['address', 'backend'], addresses),
    '`--with PART=ADDRESS` says where a part is that is not with the log: `leases`, `queue`, `inbox` or `artifacts`.',
    '## Options of every command',
    optionTable(globalSpecs),
    '## Environment',
    table(['variable', 'meaning'], environment),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      Object.values(/** @type {Record<string, { code: number, meaning: string }>} */ (exitCodes)).map((exit) => [
        String(exit.code),
        exit.meaning,
      ]),
    ),
    '129, 130 and 143: ended by SIGHUP, Ctrl-C or SIGTERM. 70: a bug; please report it.',
    ...parts,
  ].join('\n\n')}\n`
}

/** @param {Loaded[]} all @param {Record<string, string>} groups */
function contents(all, groups) {
  const rows = all.map(({ entry }) => [
    `[\`${entry.name}\`](#${entry.name.replaceAll(' ', '-')})`,
    entry.says,
    groups[entry.group] ?? '',
  ])
  return table(['command', 'what it does', 'part'], rows)
}

/** @param {Loaded} loaded */
function commandParts({ entry, command }) {
  const { args, options, details, examples, output, schema } = command
  const usage = Object.entries(args).map(([name, { optional, many }]) => {
    const text = `${name}${many ? '...' : ''}`
    return optional ? `[${text}]` : text
  })
  const argumentRows = Object.entries(args).map(([name, { says, oneOf }]) => [
    `\`${name}\``,
    oneOf === undefined ? says : `${says}: ${oneOf.join(', ')}`,
  ])
  return [
    `### ${entry.name}`,
    `${sentence(entry.says)}`,
    fenced(`reprise ${[entry.name, ...(Object.keys(options).length > 0 ? ['[options]'] : []), ...usage].join(' ')}`),
    prose(details),
    ...(argumentRows.length > 0 ? [table(['argument', 'meaning'], argumentRows)] : []),
    ...(Object.keys(options).length > 0 ? [optionTable(options)] : []),
    fenced(examples.map(({ line, says }) => `# ${says}\nreprise ${line}`).join('\n\n')),
    `JSON: ${kinds[output]}`,
    fieldList(schema),
  ]
}

const kinds = {
  document: 'one document.',
  lines: 'a document per line, as they come.',
  raw: 'a document about what it did; the file format itself is on standard output without `--json`.',
}

/** @param {Record<string, Option>} options */
function optionTable(options) {
  const rows = Object.entries(options).map(([name, { says, value, many, short, oneOf }]) => [
    `\`${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}\`${many ? ' …' : ''}`,
    oneOf === undefined ? says : `${says}: ${oneOf.join(', ')}`,
  ])
  return table(['option', 'meaning'], rows)
}

/** @param {string} text */
const sentence = (text) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`

/** @param {string} text */
const fenced = (text) => `\`\`\`sh\n${text}\n\`\`\``

/** Texts for terminals: what Markdown would take for something else is escaped; two spaces in front are no code. @param {string} text */
export function prose(text) {
  const lines = text.trim().split('\n')
  return lines
    .map((line, i) => {
      const isItem = /^\s*- /.test(line)
      const indent = /^ */.exec(line)?.[0].length ?? 0
      const before = lines[i - 1] ?? ''
      // A block that is set in, or ends, is a paragraph of its own.
      const opens = line !== '' && before !== '' && !isItem && indent !== (/^ */.exec(before)?.[0].length ?? 0)
      const isContinued = /^\s*- /.test(before) && indent > (/^ */.exec(before)?.[0].length ?? 0)
      return `${opens && !isContinued && !isInItem(lines, i) ? '\n' : ''}${markdown(isItem ? line.trimStart() : line.trim())}`
    })
    .join('\n')
}

/** @param {string[]} lines @param {number} at */
function isInItem(lines, at) {
  const indent = /^ */.exec(lines[at] ?? '')?.[0].length ?? 0
  for (let i = at - 1; i >= 0; i--) {
    const line = lines[i] ?? ''
    if (line === '') return false
    if (/^\s*- /.test(line)) return indent > (/^ */.exec(line)?.[0].length ?? 0)
  }
  return false
}

/** @param {string} text */
const markdown = (text) =>
  text.replaceAll(/`[^`]*`|[<*[\]]|(?<!\w)_|_(?!\w)/g, (found) => (found.startsWith('`') ? found : `\\${found}`))

/** @param {string[]} titles @param {string[][]} rows */
function table(titles, rows) {
  /** @param {string[]} cells */
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(titles), line(titles.map(() => '---')), ...rows.map((row) => line(row.map(escapedCell)))].join('\n')
}

/** Angle brackets outside of code would be tags. @param {string} cell */
const escapedCell = (cell) => cell.replaceAll(/`[^`]*`|<|\*/g, (found) => (found.length > 1 ? found : `\\${found}`))

/** @param {z.ZodType} schema */
export function fieldList(schema) {
  const made = /** @type {Schema} */ (
    z.toJSONSchema(schema, { unrepresentable: 'any', reused: 'inline', cycles: 'ref' })
  )
  const lines = fields(made, 0)
  return lines.length > 0 ? lines.join('\n') : `- ${typeName(made)}`
}

/** A line per field, those of objects below them. @param {Schema} schema @param {number} depth @returns {string[]} */
function fields(schema, depth) {
  const pad = '  '.repeat(depth)
  const choices = alternatives(schema)
  if (choices.length > 1 && choices.every(isObject)) {
    return choices.flatMap((choice) => [`${pad}- one of: ${tagOf(choice)}`, ...fields(choice, depth + 1)])
  }
  const [only = schema] = choices
  if (only.type === 'array') return fields(/** @type {Schema} */ (only.items ?? {}), depth)
  const own = Object.entries(/** @type {Record<string, Schema>} */ (only.properties ?? {}))
  const rest = /** @type {Schema | boolean | undefined} */ (only.additionalProperties)
  const lines = own.flatMap(([name, field]) => {
    const says = field.description ?? withoutNull(field)[0]?.description
    return [
      `${pad}- \`${name}\`: ${typeName(field)}${says === undefined ? '' : `; ${markdown(says)}`}`,
      ...fields(field, depth + 1),
    ]
  })
  if (typeof rest === 'object' && isObject(only) && own.length === 0) lines.push(...fields(rest, depth))
  return lines
}

/** @param {Schema} schema @returns {Schema[]} */
const alternatives = (schema) => {
  const several = /** @type {Schema[] | undefined} */ (schema.anyOf ?? schema.oneOf)
  return several === undefined ? [schema] : withoutNull(schema).flatMap(alternatives)
}
/** @param {Schema} schema @returns {Schema[]} */
const withoutNull = (schema) =>
  /** @type {Schema[]} */ (schema.anyOf ?? schema.oneOf ?? [schema]).filter(({ type }) => type !== 'null')
/** @param {Schema} schema */
const isObject = (schema) => schema.type === 'object'
/** The field with one value that tells alternatives apart. @param {Schema} schema */
const tagOf = (schema) => {
  const entries = Object.entries(/** @type {Record<string, Schema>} */ (schema.properties ?? {}))
  const tag = entries.find(([, field]) => field.const !== undefined)
  return tag === undefined ? 'an object' : `\`${tag[0]}\` is ${JSON.stringify(tag[1].const)}`
}

/** @param {Schema} schema @returns {string} */
function typeName(schema) {
  const { type } = schema
  if (schema.$ref !== undefined) return 'the same again'
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => JSON.stringify(one)).join(', ')
  const several = schema.anyOf ?? schema.oneOf
  if (Array.isArray(several)) return [...new Set(several.map(typeName))].join(' or ')
  if (type === 'array') return `list of ${typeName(/** @type {Schema} */ (schema.items ?? {}))}`
  if (type === 'object')
    return typeof schema.additionalProperties === 'object' && schema.properties === undefined
      ? 'object by name'
      : 'object'
  return type === undefined ? 'any JSON' : [type].flat().join(' or ')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const path = join(root, documentName)
  const text = await cliDocs()
  const isCheck = process.argv.includes('--check')
  const isSame = existsSync(path) && readFileSync(path, 'utf8') === text
  if (!isCheck) writeFileSync(path, text)
  else if (!isSame) {
    console.error(
      `${documentName} is not what the commands say: run node scripts/cli-docs.mjs, and look at what changed`,
    )
    process.exitCode = 1
  }
  console.log(`${documentName}: ${isSame ? 'as the commands say' : isCheck ? 'differs' : 'written'}`)
}
