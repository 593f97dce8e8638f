import type { Run } from '../coordinator/run.js'
import { RepriseError } from '../protocol/errors.js'
import type { Receipt } from '../protocol/receipt.js'

/** An item on its way through the stages. */
export interface Line<Item> {
  readonly item: Item
  readonly key: string
  /** One per stage. */
  readonly taskIds: readonly string[]
  /** Where it is, from 0; the number of stages once it is through. */
  stage: number
  /** Of the stage before. */
  receipt: Receipt | null
}

interface Naming<Item> {
  readonly name?: string
  readonly key?: (item: Item, index: number) => string
}

/** No slash: then no two pipelines, items and stages give the same id. */
const plainName = /^[A-Za-z0-9._:@-]{1,64}$/

/** Gives each item its task ids. `INVALID_INPUT` if names are missing, odd or there twice. */
export function layLines<Item>(
  run: Run,
  items: readonly Item[],
  stages: readonly { readonly name: string }[],
  { name = 'pipeline', key = itself }: Naming<Item>,
): Line<Item>[] {
  const refuse = (what: string): RepriseError =>
    new RepriseError('INVALID_INPUT', `Pipeline ${name} in run ${run.id} ${what} Nothing was dispatched.`, {
      details: { runId: run.id, pipeline: name },
    })
  const names = stages.map((stage) => stage.name)
  if (names.length === 0) throw refuse('has no stage. Pass at least one.')
  for (const one of [name, ...names]) {
    if (!plainName.test(one)) {
      throw refuse(`has the name ${JSON.stringify(one)}. Names are 1 to 64 of A-Z a-z 0-9 . _ : @ -.`)
    }
  }
  if (new Set(names).size < names.length) throw refuse(`has two stages of one name (${names.join(', ')}). Rename one.`)
  const keys = new Set<string>()
  return items.map((item, index) => {
    const itemKey: unknown = key(item, index)
    if (typeof itemKey !== 'string')
      throw refuse(`has no key for item ${index}. Pass options.key, which names an item.`)
    if (keys.has(itemKey)) throw refuse(`has two items with the key ${JSON.stringify(itemKey)}. Leave one out.`)
    keys.add(itemKey)
    return { item, key: itemKey, taskIds: names.map((stage) => `${name}/${itemKey}/${stage}`), stage: 0, receipt: null }
  })
}

const itself = (item: unknown): string => item as string
