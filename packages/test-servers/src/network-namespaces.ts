import { randomInt } from 'node:crypto'
import { ip } from './ip-command.js'
import { guardNetwork, removeStale } from './network-cleanup.js'
import { createTestHost, type TestHost } from './test-host.js'

const subnetsTriedMax = 20
const prefixLength = 24
const hostsMax = 250

/** Network namespaces joined to one bridge of this machine: as many hosts as a test needs. */
export interface NetworkNamespaces extends AsyncDisposable {
  readonly available: true
  /** The bridge's address: servers that the hosts call listen here (`bind`). */
  readonly address: string
  /** Adds a host with an address of its own. The name is for messages. */
  createHost(name: string): Promise<TestHost>
}

export interface NoNetworkNamespaces extends AsyncDisposable {
  readonly available: false
  /** Why not, to be printed with the skipped test. */
  readonly reason: string
}

/** Numbers for the names of this process: `reprise-<pid>-<n>` namespaces, `rp<pid>b<n>` bridges, `rp<pid>c<n>` cables. */
let lastNumber = 0

/**
 * Sets up a bridge, or says why this machine does not allow it. First removes what processes that no longer run have
 * left behind; what this one leaves when it is killed, a guard removes.
 */
export async function networkNamespaces(): Promise<NetworkNamespaces | NoNetworkNamespaces> {
  try {
    await removeStale()
    await probe()
    return await openNetwork()
  } catch (error) {
    const why = error instanceof Error ? error.message.trim() : String(error)
    const reason = `Network namespaces need Linux, root and iproute2, and do not work here: ${why}`
    return { available: false, reason, [Symbol.asyncDispose]: async () => {} }
  }
}

/** Whether a program can be run in a new namespace: some containers allow to make one, and no more. */
async function probe(): Promise<void> {
  const name = `reprise-${process.pid}-${++lastNumber}`
  await ip('netns', 'add', name)
  try {
    await ip('netns', 'exec', name, 'true')
  } finally {
    await ip('netns', 'del', name)
  }
}

async function openNetwork(): Promise<NetworkNamespaces> {
  const subnet = await freeSubnet()
  const address = `${subnet}.1`
  const bridge = `rp${process.pid}b${++lastNumber}`
  const guard = guardNetwork()
  const hosts: TestHost[] = []
  const remove = async () => {
    await Promise.all(hosts.splice(0).map((host) => host[Symbol.asyncDispose]()))
    await ip('link', 'del', bridge)
    guard.release()
  }
  try {
    await ip('link', 'add', bridge, 'type', 'bridge')
  } catch (error) {
    guard.release()
    throw error
  }
  try {
    await ip('address', 'add', `${address}/${prefixLength}`, 'dev', bridge)
    await ip('link', 'set', bridge, 'up')
  } catch (error) {
    await remove()
    throw error
  }
  let hostNumber = 1
  let removal: Promise<void> | null = null
  return {
    available: true,
    address,
    createHost: async (name) => {
      if (++hostNumber > hostsMax) throw new Error(`A test network has at most ${hostsMax - 1} hosts.`)
      const number = ++lastNumber
      const host = await createTestHost(name, {
        namespace: `reprise-${process.pid}-${number}`,
        bridge,
        cable: `rp${process.pid}c${number}`,
        address: `${subnet}.${hostNumber}`,
        prefixLength,
      })
      hosts.push(host)
      return host
    },
    [Symbol.asyncDispose]: () => {
      removal ??= remove()
      return removal
    },
  }
}

/** The first three numbers of a /24 network that this machine has no address and no route in. */
async function freeSubnet(): Promise<string> {
  const used = `${await ip('-4', '-o', 'address', 'show')}\n${await ip('-4', 'route', 'show', 'table', 'all')}`
  for (let tried = 0; tried < subnetsTriedMax; tried++) {
    const subnet = `10.${randomInt(16, 255)}.${randomInt(1, 255)}`
    if (!used.includes(` ${subnet}.`) && !used.includes(`\n${subnet}.`)) return subnet
  }
  throw new Error(`${subnetsTriedMax} random networks in turn are in use`)
}
