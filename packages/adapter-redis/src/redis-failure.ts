import { RepriseError } from '@reprise/core/adapter'

/** The server answered, with an error. Everything else that goes wrong is a matter of the connection. */
export const isReply = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError'

/** First word of an error reply: `NOSCRIPT`, `OOM`, `ERR`. */
export const replyCode = (error: Error): string => error.message.split(' ', 1)[0] ?? ''

/** How versions of Redis say that a script did what its user may not. */
const refusedInScript = /ACL failure in script|user executing the script can't/

/** The server does not know who we are, or does not let us: trying again cannot help. */
export const isRefusal = (error: unknown): boolean =>
  isReply(error) &&
  (['NOAUTH', 'WRONGPASS', 'NOPERM'].includes(replyCode(error)) || refusedInScript.test(error.message))

const remedies: Readonly<Record<string, string>> = {
  OOM: 'The server has no memory left: raise its maxmemory, or remove runs that are closed.',
  MISCONF: 'The server cannot write its files: look into its log and free some space.',
  READONLY: 'This server is a replica: connect to the master.',
  LOADING: 'The server is still reading its files: call again soon.',
  CLUSTERDOWN: 'The cluster is not complete: bring its nodes back.',
  BUSY: "Somebody's script keeps the server busy: call again, or end that script.",
}

/** An error reply as a `RepriseError`. Arguments are not repeated: they may be secrets. */
export function replyFailure(error: Error, doing: string, where: string): RepriseError {
  const details = { command: doing, where, reply: replyCode(error) }
  // The cause ioredis made carries the arguments of the command, for AUTH the password among them.
  const cause = withoutArguments(error)
  if (isRefusal(error)) {
    return new RepriseError(
      'INVALID_INPUT',
      `Redis at ${where} refused ${doing}: ${error.message}. Give a user and password that have the rights listed in the README of the adapter.`,
      { cause, details },
    )
  }
  if (replyCode(error) === 'WRONGTYPE') {
    return new RepriseError(
      'INVALID_INPUT',
      `Redis at ${where} refused ${doing}: a key of that name holds something else. Give this adapter a prefix of its own.`,
      { cause, details },
    )
  }
  return new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Redis at ${where} refused ${doing}: ${error.message}. ${remedies[replyCode(error)] ?? 'Call again.'}`,
    { cause, details },
  )
}

export const noAnswer = (doing: string, where: string, deadlineMs: number, cause: unknown): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Redis at ${where} did not answer ${doing} within ${deadlineMs} ms. Whether it took effect is not known: call again.`,
    {
      ...(cause === undefined ? {} : { cause: withoutArguments(cause) }),
      details: { command: doing, where, deadlineMs, ...codeIn(cause) },
    },
  )

/** As `noAnswer`, of a call that never left this process. */
export const notReached = (doing: string, where: string, deadlineMs: number, cause: unknown): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Redis at ${where} could not be reached within ${deadlineMs} ms${cause === undefined ? '' : ` (${reasonOf(cause)})`}; nothing was sent. Look at the address and at the server, then call ${doing} again.`,
    {
      ...(cause === undefined ? {} : { cause: withoutArguments(cause) }),
      details: { command: doing, where, deadlineMs, ...codeIn(cause) },
    },
  )

/** Of a name with several addresses, the failure has the reasons inside, and no text of its own. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.message !== '') return cause.message
  return cause instanceof AggregateError ? cause.errors.map(reasonOf).join(', ') : cause.name
}

/** What the system calls it: `ECONNREFUSED`, `ENOTFOUND`. */
function codeIn(cause: unknown): { code?: string } {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? { code } : {}
}

/** What ioredis throws holds the command with all its arguments. */
function withoutArguments(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const bare = new Error(reasonOf(error))
  bare.name = error.name
  return bare
}
