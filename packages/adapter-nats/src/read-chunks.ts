import type { ArtifactManifest } from './artifact-manifest.js'
import type { NatsConnection } from './nats-connection.js'
import { getMessage, type ReadableStream } from './stored-message.js'

/** Chunks asked for ahead of the reader: a megabyte of memory. */
const readAheadMax = 4

/** At most as many bytes as the manifest says, and one chunk. A chunk that is not there is `null`: the last one. */
export async function* readChunks(
  connection: NatsConnection,
  stream: ReadableStream,
  subject: string,
  { upload, bytes, sequences }: ArtifactManifest,
): AsyncGenerator<Uint8Array | null> {
  const ahead: Promise<Uint8Array | null>[] = []
  const ask = async (seq: number): Promise<Uint8Array | null> => {
    const message = await getMessage(connection, stream, { at: seq }, `Reading the upload ${upload}`)
    return message?.subject === subject ? message.data : null
  }
  let got = 0
  for (let next = 0; got <= bytes && (next < sequences.length || ahead.length > 0); ) {
    while (next < sequences.length && ahead.length < readAheadMax) {
      const chunk = ask(sequences[next] ?? 0)
      // Awaited in its turn; until then a failure is not an unhandled one.
      chunk.catch(() => {})
      ahead.push(chunk)
      next++
    }
    const chunk = (await ahead.shift()) ?? null
    got += chunk?.length ?? 0
    yield chunk
    if (chunk === null) return
  }
}
