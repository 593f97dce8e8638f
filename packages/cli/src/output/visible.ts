// C0 but newline, DEL, C1, separators, zero-width, invisible and bidi controls, tags, lone surrogates.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: showing them is the point
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu

const escaped = (found: string): string => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`

/** Everything that a terminal would obey, or not show, as an escape. Newlines stay: for whole outputs. */
export const visible = (text: string): string => text.replace(hidden, escaped)

/** A text from outside on one line, harmless: for values. */
export const plain = (value: unknown): string =>
  visible(withoutReserved(String(value)).replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t'))

// What marks colours in our own texts must not come from outside.
const reserved = /[\u{fdd0}-\u{fdef}]/gu
const withoutReserved = (text: string): string => text.replace(reserved, escaped)

/** JSON on one line, or indented, in which nothing is hidden: still the same value, but for what `replacer` makes of it. */
export const visibleJson = (
  value: unknown,
  indent?: number,
  replacer?: (key: string, value: unknown) => unknown,
): string =>
  JSON.stringify(value, replacer, indent).replace(hidden, (found) =>
    [...Array(found.length).keys()].map((i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  )
