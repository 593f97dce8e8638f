import type { DialogueTarget } from './dialogue.js'
import type { ServerKind } from './test-server.js'

/** How one kind of server is configured, started and asked whether it is ready. */
export interface ServerRecipe {
  readonly kind: ServerKind
  /** The address to listen on. */
  readonly bind: string
  /** Writes what the server needs into its folder and returns the arguments of the program. */
  configure(folder: string, port: number): Promise<readonly string[]>
  readonly container: ContainerRecipe
  /** Resolves with who answers once the server is ready; rejects while it is not. */
  ask(target: DialogueTarget): Promise<Answer>
}

/** What a server says of itself: null where it does not tell. */
export interface Answer {
  /** Its process id. */
  readonly pid: number | null
  /** Whether it has the name that its configuration gave it. */
  readonly named: boolean | null
}

export interface ContainerRecipe {
  readonly image: string
  /** The port inside the container. */
  readonly port: number
  readonly command: readonly string[]
  readonly files: readonly { readonly target: string; readonly content: string }[]
  /** A line that the server logs when it is ready. */
  readonly readyLine: RegExp
}
