/** `softnet up` and `softnet demo`: the commands that are no clients of the API, because they start it. */
import { configJsonSchema } from '../schemas/config.ts'
import type { Cli, Command } from './cli.ts'
import { DAEMON_HELP, parseDaemonArgs } from './daemon-args.ts'
import { runDaemon } from './run-daemon.ts'

const start = async (argv: readonly string[], cli: Cli, demo: boolean): Promise<number> => {
  const args = parseDaemonArgs(argv)
  if (args.help) {
    cli.out(DAEMON_HELP)
    return 0
  }
  if (args.schema) {
    cli.out(`${JSON.stringify(configJsonSchema(), null, 2)}\n`)
    return 0
  }
  // Loaded here alone, so that a client starts fast.
  const { startDaemon } = await import('../../workers/daemon.ts')
  return runDaemon(startDaemon, args, cli, demo)
}

export const up: Command = (args, cli) => start(args, cli, false)
export const demo: Command = (args, cli) => start(args, cli, true)
