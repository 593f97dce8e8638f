import { errors } from '@nats-io/transport-node'
import { RepriseError } from '@reprise/core/adapter'

/** Why there was no first connection. Names the servers, never the credentials. */
export function connectFailure(error: unknown, servers: readonly string[]): RepriseError {
  const where = servers.join(', ')
  const details = { servers: where }
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return new RepriseError(
      'INVALID_INPUT',
      `The NATS server at ${where} refuses the user, password, token or credentials. Give those of a user of its role.`,
      { details, cause: error },
    )
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `No connection to the NATS server at ${where}: ${reason || 'it does not answer'}. Start it with nats-server -js -sd <folder>, or check the address.`,
    { details, cause: error },
  )
}
