import { randomInt } from 'node:crypto'

const lowest = 10_000
const beyondHighest = 32_000

/**
 * A port to try. Below the range from which kernels take the ports of outgoing connections (32768 on Linux, 49152
 * elsewhere): in that range a client that calls a killed server again and again can be given the server's own port, be
 * connected to itself, and keep the server from coming back.
 */
export const randomPort = (): number => randomInt(lowest, beyondHighest)
