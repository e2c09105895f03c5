/** `softnet up` and `softnet demo`: the commands that are no clients of the API, because they start it. */
import { configJsonSchema } from '../schemas/config.ts'
import { FIRST, listScenes, readScene, sceneText } from '../scenes/scenes.ts'
import { type Scene, sceneJsonSchema } from '../schemas/scene.ts'
import type { Cli, Command } from './cli.ts'
import { DAEMON_HELP, type DaemonArgs, parseDaemonArgs } from './daemon-args.ts'
import { runDaemon } from './run-daemon.ts'

const start = async (
  args: DaemonArgs,
  cli: Cli,
  schema: () => unknown,
  scene: () => Scene | null
): Promise<number> => {
  if (args.help) {
    cli.out(DAEMON_HELP)
    return 0
  }
  if (args.schema) {
    cli.out(`${JSON.stringify(schema(), null, 2)}\n`)
    return 0
  }
  const chosen = scene()
  // Loaded here alone, so that a client starts fast.
  const { startDaemon } = await import('../../workers/daemon.ts')
  return runDaemon(startDaemon, args, cli, chosen)
}

export const up: Command = (argv, cli) =>
  start(parseDaemonArgs(argv), cli, configJsonSchema, () => null)

/** A scene of those that there are, or of a file; or about them. */
export const demo: Command = async (argv, cli) => {
  const args = parseDaemonArgs(argv, true)
  const { scene = FIRST } = args
  if (args.list) {
    cli.out(listScenes())
    return 0
  }
  if (args.print) {
    cli.out(sceneText(scene))
    return 0
  }
  return start(args, cli, sceneJsonSchema, () => readScene(scene))
}
