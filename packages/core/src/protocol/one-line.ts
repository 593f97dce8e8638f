// C0, DEL, C1, separators, zero-width, invisible and bidi controls, plane-14 tags, lone surrogates: a text with them could pass
// for more than one line, or hide, from a person though not from a language model. One UTF-16 unit at a time.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: showing them is the point
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\u034f|\udb40(?=[\udc00-\udfff])|(?<=\udb40)[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** A text from outside on one line: what is invisible or would break the line is shown as an escape, the end is cut off. */
export function oneLine(text: string, charactersMax: number): string {
  const cut = text.length <= charactersMax ? text : `${text.slice(0, Math.max(0, charactersMax - 1))}…`
  return cut.replace(hidden, (found) => named[found] ?? `\\u{${found.charCodeAt(0).toString(16)}}`)
}
