/** Private Redis and NATS servers for tests, examples and benchmarks. */

export type { DataHook, Direction } from './direction-faults.js'
export { type EndFault, type FaultProxy, startProxy } from './fault-proxy.js'
export { type StartNatsOptions, startNats } from './nats.js'
export { type NetworkNamespaces, type NoNetworkNamespaces, networkNamespaces } from './network-namespaces.js'
export { type ObtainServersOptions, obtainServers } from './obtain-servers.js'
export { type StartRedisOptions, startRedis } from './redis.js'
export type { TestHost } from './test-host.js'
export type { ServerKind, ServerSource, StartServerOptions, TestServer } from './test-server.js'
