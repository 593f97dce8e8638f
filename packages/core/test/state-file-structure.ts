/**
 * Reads a state file back the way a Markdown renderer would: which lines are headings, items, boxes or text, and whether any
 * mark in a text is still a mark. Written without looking at how the file is made.
 */
export interface Structure {
  readonly front: readonly string[]
  /** One per line of the body: `heading 2 Goal`, `item`, `open box`, `done box`, `text`, `blank`. */
  readonly lines: readonly string[]
}

export function readStructure(file: string): Structure {
  const [, front = '', body = ''] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(file) ?? []
  return {
    front: front.split('\n').map((line) => line.replace(/:.*/, '')),
    lines: body.split(/\r\n|[\n\r\u0085\u2028\u2029]/).map(kindOf),
  }
}

function kindOf(line: string): string {
  if (line.trim() === '') return 'blank'
  const heading = /^ {0,3}(#{1,6})(?:\s+(.*))?$/.exec(line)
  if (heading !== null) return `heading ${heading[1]?.length} ${heading[1] === '#' ? '' : heading[2]}`
  if (/^ {4}|^\t/.test(line)) return 'code'
  if (/^ {0,3}(?:[=-]+|(?:[*_-] *){3,})$/.test(line)) return 'rule'
  if (/^ {0,3}(?:`{3}|~{3})/.test(line)) return 'fence'
  if (/^ {0,3}[>|<]/.test(line)) return 'quote, table or HTML'
  const item = /^ {0,3}(?:[-+*]|\d{1,9}[.)])(?:\s+(.*))?$/.exec(line)
  if (item === null) return /^ {0,3}\[[^\]]*\]:/.test(line) ? 'definition' : 'text'
  const box = /^\[([ x])\] (.*)$/.exec(item[1] ?? '')
  const inside = kindOf(box === null ? (item[1] ?? '') : (box[2] ?? ''))
  const name = box === null ? 'item' : box[1] === 'x' ? 'done box' : 'open box'
  return inside === 'text' ? name : `${name} of ${inside}`
}

/** Marks, addresses and templates in a file that a renderer would act on, besides those of the file's own structure. */
export function marksIn(file: string): string[] {
  const body = file.replace(/^---\n[\s\S]*?\n---\n/, '')
  return body.split('\n').flatMap((line) => {
    const text = line
      .replace(/^(?:#{1,2}|-) /, '')
      .replace(/^\[[ x]\] /, '')
      // Code spans of plain ids, and escapes.
      .replace(/(?<!\\)`[\w.:@/-]+`/g, 'code')
      .replace(/\\[!-/:-@[-`{-~]/g, 'e')
    return text.match(/[\\`*[\]<>&~|${}@]|\{%|:\/\/|www\.|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/giu) ?? []
  })
}

/** What a renderer shows of an escaped text. */
export const unescaped = (text: string): string => text.replace(/\\([!-/:-@[-`{-~])/g, '$1')

/** The lines of a section, without the blank ones. */
export function sectionOf(file: string, title: string): string[] {
  const [, after = ''] = file.split(`\n## ${title}\n`)
  const [section = ''] = after.split('\n## ')
  return section.split('\n').filter((line) => line !== '')
}
