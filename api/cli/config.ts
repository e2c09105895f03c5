/** `softnet config`: the running state as a file, and a file as the running state. */
import type { ConfigStep } from '../../core/control/text/messages.ts'
import { stackPart } from '../schemas/config.ts'
import type { Cli, Command } from './cli.ts'
import { getJson, getText, printJson, send, UsageError } from './cli.ts'
import { readConfig } from './daemon-args.ts'

const HELP = `Usage: softnet config [ show ]                  the running state, as the file of "softnet up -c" (-j: JSON)
       softnet config diff FILE                 what would change, and nothing does
       softnet config load FILE [ --confirm-within SECONDS ]   makes the state so; taken back unless confirmed in time
       softnet config confirm                   keeps what was loaded so
       softnet config save                      writes the running state into the daemon's own file
`

const stepText = ({ op, at, message }: ConfigStep): string => {
  const { type: _type, ...what } = message
  return `${op} ${at ?? message.type} ${JSON.stringify(what)}\n`
}
const load = async (
  cli: Cli,
  file: string,
  params: Record<string, string | number>
): Promise<void> => {
  const body = stackPart(readConfig(file))
  const { item } = await send<ConfigStep[]>(cli, 'PUT', '/v1/config', body, { params })
  if (cli.json) printJson(cli, item)
  else for (const step of item) cli.out(stepText(step))
}

export const config: Command = async (args, cli) => {
  const [verb = 'show', file, ...rest] = args
  switch (verb) {
    case '--help':
    case '-h':
    case 'help':
      cli.out(HELP)
      return 0
    case 'show':
      if (cli.json) printJson(cli, await getJson(cli, '/v1/config'), true)
      else cli.out(await getText(cli, '/v1/config?format=toml'))
      return 0
    case 'diff':
      if (file === undefined) throw new UsageError('softnet config diff: which FILE?')
      await load(cli, file, { dry_run: 1 })
      return 0
    case 'load': {
      if (file === undefined) throw new UsageError('softnet config load: which FILE?')
      const [option, within] = rest
      if (option !== undefined && (option !== '--confirm-within' || within === undefined))
        throw new UsageError(`softnet config load: "${rest.join(' ')}" makes no sense`)
      await load(cli, file, within === undefined ? {} : { confirm_within: within })
      return 0
    }
    case 'confirm':
      await send(cli, 'POST', '/v1/config:confirm')
      return 0
    case 'save': {
      const { file: saved } = (await send(cli, 'POST', '/v1/config:save')) as unknown as {
        file: string
      }
      cli.out(`${saved}\n`)
      return 0
    }
  }
  throw new UsageError(`softnet config: "${verb}" is unknown, try "softnet config help"`)
}
