import type { ArtifactStore } from '../ports/artifact-store.js'
import { RepriseError } from '../protocol/errors.js'
import { limits } from '../protocol/limits.js'
import { type Artifact, artifactSchema } from '../protocol/receipt.js'
import { describeIssues } from './describe-issues.js'
import type { ArtifactSource } from './task-context.js'

const labelSchema = artifactSchema.pick({ name: true, mediaType: true })

/** The artifacts of one attempt, in the order in which the handler began them. */
export class ArtifactCollector {
  /** `null`: on its way into the store. */
  readonly #byName = new Map<string, Artifact | null>()
  readonly #pending = new Set<Promise<Artifact>>()

  /** `checkOpen` throws once the attempt is over. */
  constructor(
    private readonly store: ArtifactStore | undefined,
    private readonly bytesMax: number,
    private readonly checkOpen: () => void,
  ) {}

  get stored(): Artifact[] {
    return [...this.#byName.values()].filter((artifact) => artifact !== null)
  }

  add(name: string, source: ArtifactSource, mediaType: string | undefined): Promise<Artifact> {
    const adding = this.#add(name, source, mediaType)
    this.#pending.add(adding)
    const forget = () => this.#pending.delete(adding)
    // Also keeps a failure that the handler does not await from ending the process.
    adding.then(forget, forget)
    return adding
  }

  /** Waits for what the handler did not wait for; rejects with the first of those failures. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending)
  }

  async #add(name: string, source: ArtifactSource, mediaType: string | undefined): Promise<Artifact> {
    this.checkOpen()
    if (this.store === undefined) {
      throw new RepriseError(
        'NO_ARTIFACTS',
        `Artifact ${JSON.stringify(name)} was not stored: the adapter has no artifact store. Use an adapter that has one, or return small values as output.`,
      )
    }
    const label = { name, ...(mediaType !== undefined && { mediaType }) }
    this.#reserve(label)
    try {
      const artifact = { ...label, ...(await this.store.put(this.#chunks(name, source), this.bytesMax)) }
      this.#byName.set(name, artifact)
      return artifact
    } catch (error) {
      this.#byName.delete(name)
      throw error
    }
  }

  #reserve(label: { name: string; mediaType?: string }): void {
    const parsed = labelSchema.safeParse(label)
    if (!parsed.success) throw refused('INVALID_INPUT', label.name, describeIssues(parsed.error))
    if (this.#byName.has(label.name)) throw refused('INVALID_INPUT', label.name, 'the attempt has one of that name')
    if (this.#byName.size >= limits.artifactsMax) {
      throw refused('TOO_LARGE', label.name, `a receipt names at most ${limits.artifactsMax} artifacts`)
    }
    this.#byName.set(label.name, null)
  }

  async *#chunks(name: string, source: ArtifactSource): AsyncGenerator<Uint8Array> {
    if (typeof source === 'string') {
      yield Buffer.from(source)
    } else if (source instanceof Uint8Array) {
      yield source
    } else {
      for await (const chunk of source) {
        this.checkOpen()
        if (!(chunk instanceof Uint8Array)) {
          throw refused('INVALID_INPUT', name, 'its source gives no bytes; read it without an encoding')
        }
        yield chunk
      }
    }
  }
}

const refused = (code: 'INVALID_INPUT' | 'TOO_LARGE', name: string, why: string): RepriseError =>
  new RepriseError(code, `Artifact ${JSON.stringify(String(name).slice(0, 256))} was not stored: ${why}.`)
