/**
 * A copy of plain data that nobody can change, and that shares nothing with it: what is shown to code from outside must
 * not be a way into the state.
 */
export const frozenCopy = <T extends object>(value: T): T => freeze(structuredClone(value))

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part)
  return Object.freeze(value)
}
