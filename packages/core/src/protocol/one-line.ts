// C0, DEL, C1, separators, zero-width, invisible and bidi controls, plane-14 tags, lone surrogates: a text with them could pass
// for more than one line, or hide, from a person though not from a language model. One UTF-16 unit at a time.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: showing them is the point
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\u034f|\udb40(?=[\udc00-\udfff])|(?<=\udb40)[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * A text from outside as a JSON string on one line: nothing in it can end the string or the line, or hide, and
 * `JSON.parse` gives it back.
 */
export const quotedLine = (text: string): string => visibleJson(JSON.stringify(text))

/** A JSON text with what is invisible in its strings as escapes: still the same value, on one line. */
export const visibleJson = (json: string): string =>
  json.replace(hidden, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** The beginning of a text, with a mark if that is not all of it. */
export function clipped(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${beginning(text, charactersMax)}…`
}

/** At most so many UTF-16 units; never half a character. */
export function beginning(text: string, charactersMax: number): string {
  const last = text.charCodeAt(charactersMax - 1)
  const isHalf = charactersMax > 0 && last >= 0xd800 && last <= 0xdbff
  return text.slice(0, isHalf ? charactersMax - 1 : charactersMax)
}

/** A text from outside on one line: what is invisible or would break the line is shown as an escape, the end is cut off. */
export function oneLine(text: string, charactersMax: number): string {
  const cut = text.length <= charactersMax ? text : `${text.slice(0, Math.max(0, charactersMax - 1))}…`
  return cut.replace(hidden, (found) => named[found] ?? `\\u{${found.charCodeAt(0).toString(16)}}`)
}
