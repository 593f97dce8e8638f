import type { Fate } from './attempt-text.js'

/** Of what became of an attempt, on light and on dark ground; told apart by people who do not see red and green, too. */
export const fateColours: Readonly<Record<Fate, readonly [light: string, dark: string]>> = {
  accepted: ['#2a7d4f', '#4cc38a'],
  received: ['#2f6fb2', '#6cb2f5'],
  out: ['#7aa7d6', '#3f75ad'],
  cancelled: ['#9a7b1c', '#d6b656'],
  abandoned: ['#7d6a3a', '#a8945c'],
  rejected: ['#c2410c', '#ff9257'],
  expired: ['#a3195b', '#ff78b4'],
}

const modeColours: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  recovering: ['#b39ddb', '#7e57c2'],
  dispatching: ['#90caf9', '#1e69b3'],
  awaiting: ['#e3e3e8', '#3a3a42'],
  evaluating: ['#9fdcc6', '#1d7a5c'],
  closed: ['#bdbdc4', '#5c5c66'],
}

/** Custom properties for both grounds, as CSS. */
export function colourRules(): string {
  const all = [...Object.entries(fateColours), ...Object.entries(modeColours)]
  const rules = (at: 0 | 1) => all.map(([name, colours]) => `--${name}:${colours[at]};`).join('')
  const ground = ['--ground:#fff;--text:#1c1c22;--faint:#6b6b76;--line:#dedee4;--held:#fff1c9;']
  const dark = ['--ground:#16161b;--text:#ececf1;--faint:#a0a0ad;--line:#33333c;--held:#463a14;']
  return `:root{color-scheme:light dark;${ground}${rules(0)}}@media(prefers-color-scheme:dark){:root{${dark}${rules(1)}}}`
}
