/** Before every entry of a stream. */
export const streamStart = '0-0'

/** Below zero if `a` comes before `b`. Ids are `<milliseconds>-<number>`, both too large for a number. */
export function compareIds(a: string, b: string): number {
  const [aTime = '', aNumber = ''] = a.split('-')
  const [bTime = '', bNumber = ''] = b.split('-')
  const difference = aTime === bTime ? BigInt(aNumber) - BigInt(bNumber) : BigInt(aTime) - BigInt(bTime)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
