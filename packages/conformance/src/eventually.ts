const pollMs = 5
const deadlineDefaultMs = 20_000

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pollMs))

/** Waits until `condition` holds, looking again and again. Fails with `what` after the deadline. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = deadlineDefaultMs,
): Promise<void> {
  const until = Date.now() + deadlineMs
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`After ${deadlineMs} ms it still does not hold that ${what}.`)
    await pause()
  }
}

/** For what must stay true: looks at `condition` again and again for `ms` milliseconds. */
export async function throughout(what: string, ms: number, condition: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + ms
  while (Date.now() < until) {
    if (!(await condition())) throw new Error(`It stopped being true that ${what}.`)
    await pause()
  }
}

/** Waits for `promise`, but not for ever. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = deadlineDefaultMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`After ${deadlineMs} ms: ${what} has not ended.`)), deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
