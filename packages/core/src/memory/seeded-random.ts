/**
 * Numbers in [0, 1) that depend on `seed` and `stream` only (sfc32). Streams of one seed are independent, so what
 * one process draws does not depend on what the others do.
 */
export function seededRandom(seed: number, stream = 0): () => number {
  let a = seed | 0
  let b = stream | 0
  let c = Math.floor(seed / 2 ** 32) | 0
  let counter = 1
  const draw = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  // Mixes small seeds and streams well before the first number is used.
  for (let i = 0; i < 15; i++) draw()
  return draw
}
