import type { CommandOutcome } from '../coordinator/outcomes.js'
import type { Run } from '../coordinator/run.js'
import type { RoundCommand } from '../protocol/commands.js'

/** Commands that one round takes at most: what it touches is copied. */
const commandsMax = 128

/** Commands that belong together: all in one commit, or none. */
interface Move {
  readonly commands: readonly RoundCommand[]
  readonly summary: string
  readonly tell: (outcome: CommandOutcome) => void
  readonly reject: (error: unknown) => void
}

/** Makes moves as rounds. Those that come while one round is written share the next; one that is refused fails alone. */
export class Moves {
  private waiting: Move[] = []
  private isBusy = false

  constructor(private readonly run: Run) {}

  make(commands: readonly RoundCommand[], summary: string): Promise<CommandOutcome> {
    return new Promise((tell, reject) => {
      this.waiting.push({ commands, summary, tell, reject })
      if (!this.isBusy) void this.makeAll()
    })
  }

  private async makeAll(): Promise<void> {
    this.isBusy = true
    while (this.waiting.length > 0) {
      let [count, commands] = [0, 0]
      for (const move of this.waiting) {
        commands += move.commands.length
        if (count > 0 && commands > commandsMax) break
        count++
      }
      await this.together(this.waiting.splice(0, count))
    }
    this.isBusy = false
  }

  private async together(moves: readonly Move[]): Promise<void> {
    try {
      const [first, ...more] = moves as [Move, ...Move[]]
      const outcome = await this.run.execute({
        type: 'round',
        decide: moves.flatMap(({ commands }) => commands),
        summary: more.length === 0 ? first.summary : `${first.summary}, and ${more.length} more like it`,
      })
      if (outcome.ok || more.length === 0) for (const { tell } of moves) tell(outcome)
      else {
        // One may not be made, or they are too large for one commit: halves find the one, and are small enough.
        const middle = Math.ceil(moves.length / 2)
        await this.together(moves.slice(0, middle))
        await this.together(moves.slice(middle))
      }
    } catch (error) {
      for (const { reject } of moves) reject(error)
    }
  }
}
