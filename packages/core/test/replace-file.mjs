// Writes a state file again and again, as fast as it can, each time with the same letter throughout.
import { stateFileAt } from '@reprise/core'

const [path = '', times = '0'] = process.argv.slice(2)
const store = stateFileAt(path)
let before = await store.read()
for (let n = 0; n < Number(times); n++) {
  const text = String(n % 10).repeat(100_000 + (n % 7))
  if (!(await store.replace(text, before))) throw new Error('somebody else wrote it')
  before = text
}
