import { wrap } from './wrap.js'

interface Block {
  /** Columns in front of its first line, and of the others. */
  readonly first: number
  readonly others: number
  readonly words: string[]
}

/**
 * Fits a text to a width: paragraphs, which end at an empty line or where the indent changes, and items that begin with `- `.
 * A word that is wider stays whole.
 */
export function fitProse(text: string, width: number): string {
  return blocksOf(text.trim().split('\n'))
    .map((block) => (block === null ? '' : fitBlock(block, width)))
    .join('\n')
}

/** `null` is an empty line. */
function blocksOf(lines: readonly string[]): (Block | null)[] {
  const blocks: (Block | null)[] = []
  for (const line of lines) {
    const words = line.split(' ').filter((word) => word !== '')
    const indent = line.length - line.trimStart().length
    const last = blocks.at(-1)
    if (words.length === 0) blocks.push(null)
    else if (words[0] === '-') blocks.push({ first: indent, others: indent + 2, words })
    else if (last !== undefined && last !== null && last.others === indent) last.words.push(...words)
    else blocks.push({ first: indent, others: indent, words })
  }
  return blocks
}

const fitBlock = ({ first, others, words }: Block, width: number): string =>
  wrap(words.join(' '), width, ' '.repeat(first), others).join('\n')
