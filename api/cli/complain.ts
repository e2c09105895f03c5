/** One line on stderr for what went wrong, whatever it was, and the exit status that it makes. */
import type { Cli } from './cli.ts'
import { Refused, UsageError } from './cli.ts'
import { isGone } from './connect.ts'

export const complain = (error: unknown, cli: Cli): number => {
  if (error instanceof UsageError || error instanceof Refused) {
    cli.err(`${error.message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
  cli.err(
    isGone(error)
      ? `softnet: no daemon answers at ${cli.endpoint} (start one with "softnet up", or say where with --api)\n`
      : `softnet: ${(error as Error).message.split('\n')[0]}\n`
  )
  return 1
}
