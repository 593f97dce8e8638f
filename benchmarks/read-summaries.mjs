// What listing many runs costs at least: a process that looks at the size of each log and reads each summary. Part of (j).
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const runs = join(process.argv[2] ?? '', 'runs')
let characters = 0
for (const name of readdirSync(runs)) {
  characters += statSync(join(runs, name, 'log.jsonl')).size
  characters += readFileSync(join(runs, name, 'summary'), 'utf8').length
}
console.log(characters)
