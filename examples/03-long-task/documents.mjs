// Finding and reading Markdown files: what the workers do, and whoever checks them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Markdown files under a folder, sorted; dependencies, outputs and hidden folders left out. @param {string} root @param {string} [below] @returns {string[]} */
export function listMarkdown(root, below = '') {
  return readdirSync(join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) {
        return entry.name.startsWith('.') || ['node_modules', 'dist'].includes(entry.name)
          ? []
          : listMarkdown(root, path)
      }
      return entry.isFile() && /\.md$/i.test(entry.name) ? [path] : []
    })
    .sort()
}

/** @param {string} root @param {string} path @returns {import('./tasks.mjs').Document} */
export function readMarkdown(root, path) {
  const text = readFileSync(join(root, path), 'utf8')
  const title = /^# +(.+)$/m.exec(text)?.[1] ?? path
  const links = [...text.matchAll(/\]\((?![a-z][a-z0-9+.-]*:|#)([^)\s#]+)[^)]*\)/gi)].map((match) => match[1] ?? '')
  const broken = links.filter((link) => !existsSync(join(root, dirname(path), decoded(link))))
  return { path, title, lines: text.split('\n').length, links: links.length, broken }
}

/** @param {string} link */
function decoded(link) {
  try {
    return decodeURI(link)
  } catch {
    return link
  }
}
