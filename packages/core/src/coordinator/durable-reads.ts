/** The commit that left a state that is durable. */
export interface DurableAt {
  readonly version: number
  readonly hash: string
  /** Up to that commit. */
  readonly commits: number
  /** Hash of the first of them; `null` before there is one. */
  readonly first: string | null
}

/** Something read from a state that is durable, and the commit that left it. */
export interface Snapshot<T> extends DurableAt {
  readonly value: T
}

interface Taken {
  readonly show: (at: DurableAt) => void
  readonly reject: (error: unknown) => void
}

interface Asked {
  readonly take: () => Taken['show']
  readonly reject: Taken['reject']
}

/**
 * Readings of a state that runs ahead of its log: taken at an instant at which it does so by one commit at most, shown
 * once that commit is durable.
 */
export class DurableReads {
  /** Waits for such an instant. */
  private readonly asked: Asked[] = []
  /** Waits for the commit under way. */
  private readonly taken: Taken[] = []

  ask<T>(read: () => T): Promise<Snapshot<T>> {
    return new Promise((resolve, reject) => {
      this.asked.push({
        take: () => {
          const value = read()
          return (at) => resolve({ value, ...at })
        },
        reject,
      })
    })
  }

  /** The state is as the commit under way leaves it, or none is under way. */
  take(): void {
    for (const { take, reject } of this.asked.splice(0)) {
      try {
        this.taken.push({ show: take(), reject })
      } catch (error) {
        reject(error)
      }
    }
  }

  /** What was taken is durable. */
  show(at: DurableAt): void {
    for (const { show } of this.taken.splice(0)) show(at)
  }

  reject(error: unknown): void {
    for (const { reject } of [...this.asked.splice(0), ...this.taken.splice(0)]) reject(error)
  }
}
