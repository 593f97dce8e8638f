export interface ShellWords {
  /** The words as a program would get them. */
  readonly words: readonly string[]
  /** Whether the last one stands in quotes that are still open. */
  readonly inQuotes: boolean
}

/**
 * Splits a command line as a POSIX shell does, as far as words go: quotes and backslashes, and nothing is expanded. A line that
 * ends with a space has an empty last word: the one that would be typed next.
 */
export function shellWords(line: string): ShellWords {
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const sign = line[i] ?? ''
    if (quote !== '') {
      if (sign === quote) quote = ''
      else if (quote === '"' && sign === '\\' && /["\\$`]/.test(line[i + 1] ?? '')) word += line[++i] ?? ''
      else word += sign
    } else if (sign === "'" || sign === '"') {
      quote = sign
      word ??= ''
    } else if (sign === '\\') {
      word = (word ?? '') + (line[++i] ?? '')
    } else if (/\s/.test(sign)) {
      if (word !== null) words.push(word)
      word = null
    } else {
      word = (word ?? '') + sign
    }
  }
  return { words: [...words, word ?? ''], inQuotes: quote !== '' }
}

/** A word as a shell reads it as itself. */
export const shellQuoted = (word: string): string => word.replace(/[^\p{L}\p{N}_./:=@%+,-]/gu, '\\$&')
