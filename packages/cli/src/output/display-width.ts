import { eastAsianWidth } from 'get-east-asian-width'
import { withoutInk } from './markup.js'

let segmenter: Intl.Segmenter | undefined

/** What a person takes for characters. Its tables take longer to load than most commands need for everything else. */
function charactersOf(text: string): Iterable<Intl.SegmentData> {
  segmenter ??= new Intl.Segmenter()
  return segmenter.segment(text)
}

const ascii = /^[\u0020-\u007e]*$/

/** Columns that a text without line breaks takes on a terminal; marks of colours take none. */
export function displayWidth(marked: string): number {
  const text = withoutInk(marked)
  if (ascii.test(text)) return text.length
  let width = 0
  for (const { segment } of charactersOf(text)) width += widthOf(segment)
  return width
}

function widthOf(segment: string): number {
  if (/^\p{M}+$/u.test(segment)) return 0
  if (/\p{Emoji_Presentation}|\ufe0f/u.test(segment)) return 2
  return eastAsianWidth(segment.codePointAt(0) ?? 0)
}

/** Cut to so many columns, with a mark if something was cut off. Not for marked texts. */
export function fitWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  let [kept, width] = ['', 0]
  for (const { segment } of charactersOf(text)) {
    width += widthOf(segment)
    if (width > columns - 1) break
    kept += segment
  }
  return columns < 1 ? '' : `${kept}…`
}
