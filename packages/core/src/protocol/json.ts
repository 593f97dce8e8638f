import { limits } from './limits.js'

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

/**
 * A deep copy of `value` as JSON would bring it back (no `undefined` properties, no -0), or why there is none, with
 * the path. Looks before `JSON.stringify` does: that overflows its stack on deep values and drops or alters what it
 * cannot express. A copy, so that a caller who changes his object later does not change what the log says.
 */
export function copyJson(
  value: unknown,
  depthMax: number = limits.jsonDepthMax,
): { copy: JsonValue } | { problem: string } {
  try {
    return { copy: copy(value, depthMax) }
  } catch (error) {
    if (error instanceof NotJson) return { problem: `$${error.path.slice(0, 120)} ${error.what}` }
    throw error
  }
}

/** The path is built while unwinding, so that a value without problems costs no strings. */
class NotJson {
  path = ''
  constructor(readonly what: string) {}
  below(step: string): this {
    this.path = step + this.path
    return this
  }
}

function copy(value: unknown, depthLeft: number): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new NotJson(`is ${value}, which JSON cannot express`)
      return value === 0 ? 0 : value
    case 'object':
      break
    default:
      throw new NotJson(`is a ${typeof value}, which JSON cannot express`)
  }
  if (value === null) return null
  if (depthLeft <= 0) throw new NotJson('is nested too deep')
  if (Array.isArray(value)) {
    const items: JsonValue[] = []
    // Not `map`, which would keep the holes of a sparse array: JSON has none.
    for (let i = 0; i < value.length; i++) items.push(copyChild(value[i], depthLeft, `[${i}]`))
    return items
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new NotJson(`is an instance of ${prototype.constructor?.name ?? 'a class'}; pass plain objects`)
  }
  const object: { [key: string]: JsonValue } = {}
  for (const key of Object.keys(value)) {
    // JSON.parse makes it an own property; assigning it would replace a prototype.
    if (key === '__proto__') throw new NotJson('has a key named __proto__, which is not allowed')
    const item = (value as Record<string, unknown>)[key]
    if (item !== undefined) object[key] = copyChild(item, depthLeft, key)
  }
  return object
}

function copyChild(item: unknown, depthLeft: number, step: string): JsonValue {
  // Most leaves need no descent, and no frame to unwind.
  if (typeof item === 'string' || typeof item === 'boolean' || item === null) return item
  try {
    return copy(item, depthLeft - 1)
  } catch (error) {
    throw error instanceof NotJson ? error.below(step.startsWith('[') ? step : `.${step}`) : error
  }
}

/** RFC 8785: keys sorted by UTF-16 code units, no white space. For values that `copyJson` copies. */
export function canonicalJson(value: unknown): string {
  // What was written canonically comes back in order, and the engine writes it faster than we could.
  if (isInOrder(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as Record<string, unknown>
  let text = ''
  for (const key of Object.keys(object).sort()) {
    const item = object[key]
    if (item === undefined) continue
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(item)}`
  }
  return `{${text}}`
}

function isInOrder(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every(isInOrder)
  let before: string | undefined
  for (const key in value) {
    if (before !== undefined && key < before) return false
    before = key
    if (!isInOrder((value as Record<string, unknown>)[key])) return false
  }
  return true
}

/** UTF-8 bytes, without counting when the answer is certain. */
export const exceedsBytes = (text: string, bytesMax: number): boolean =>
  text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax)

/** Whether a value needs more UTF-8 bytes as JSON, without writing it when the answer is certain. */
export const exceedsJsonBytes = (value: unknown, bytesMax: number): boolean =>
  bytesAtMost(value, bytesMax) > bytesMax && exceedsBytes(JSON.stringify(value), bytesMax)

/** An upper bound, cheap to find. Stops counting once it is over `enough`. */
function bytesAtMost(value: unknown, enough: number): number {
  // A character takes six bytes at most, as an escape; a number 24.
  if (typeof value === 'string') return value.length * 6 + 2
  if (typeof value !== 'object' || value === null) return 24
  let bytes = 2
  for (const key in value) {
    bytes += key.length * 6 + 4 + bytesAtMost((value as Record<string, unknown>)[key], enough)
    if (bytes > enough) return bytes
  }
  return bytes
}
