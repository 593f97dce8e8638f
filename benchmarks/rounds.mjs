// Figures of two sides that were measured in turn, A B A B …, on the same machine or server.
import { median } from './measure.mjs'

/** The median of the rounds' ratios: what disturbs one round disturbs both of its sides. @param {number[]} ours @param {number[]} other */
export const ratioOf = (ours, other) => median(ours.map((figure, round) => figure / (other[round] ?? Number.NaN)))

/**
 * @param {number} rounds
 * @param {(round: number) => Promise<number>} ours
 * @param {(round: number) => Promise<number>} peer
 */
export async function inTurn(rounds, ours, peer) {
  /** @type {{ ours: number[], peer: number[] }} */
  const figures = { ours: [], peer: [] }
  for (let round = 0; round < rounds; round++) {
    figures.ours.push(await ours(round))
    figures.peer.push(await peer(round))
  }
  const { ours: our, peer: their } = figures
  return { ...figures, oursMedian: median(our), peerMedian: median(their), ratio: ratioOf(our, their) }
}
