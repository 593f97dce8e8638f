/** Reprise over NATS JetStream: everything in the streams of one account, for processes on any number of hosts. */
export { type NatsAdapter, openNats } from './open-nats.js'
export type { OpenNatsOptions } from './open-options.js'
