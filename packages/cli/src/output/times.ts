const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const

/** A length of time in its two largest units: `3 d 4 h`, `12 min 5 s`, `830 ms`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '?'
  if (Math.abs(ms) < 1_000) return `${Math.round(ms)} ms`
  if (ms < 0) return `-${duration(-ms)}`
  const at = units.findIndex(([size]) => ms >= size)
  const [size, unit] = units[at] ?? units[3]
  const rest = Math.floor((ms % size) / (units[at + 1]?.[0] ?? 1))
  const next = units[at + 1]
  if (next === undefined) return ms < 10_000 ? `${(ms / size).toFixed(1)} s` : `${Math.floor(ms / size)} s`
  return `${Math.floor(ms / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${next[1]}`}`
}
