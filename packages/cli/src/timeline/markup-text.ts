import { plain } from '../output/visible.js'

const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A text from outside in SVG or HTML, in text or in quotes: no mark-up, and nothing hidden or not allowed in XML. */
export const markupText = (text: string): string =>
  plain(text)
    .replace(/[\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (found) => names[found] ?? '')

/** A JSON value inside a script element of HTML: nothing in it can end the element, or is hidden. */
export const scriptJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u007f-\uffff]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
