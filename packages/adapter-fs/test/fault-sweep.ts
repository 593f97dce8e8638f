/**
 * Makes the 1st, 2nd, 3rd, … step fail, each in a run of its own, until a run has no such step any more. Two runs at a
 * time. Returns how many steps there were.
 */
export async function sweep(faultAt: (step: number) => Promise<'hit' | 'past the end'>): Promise<number> {
  let next = 1
  let hits = 0
  let isOver = false
  const lane = async () => {
    while (!isOver) {
      if ((await faultAt(next++)) === 'hit') hits++
      else isOver = true
    }
  }
  await Promise.all([lane(), lane()])
  return hits
}
