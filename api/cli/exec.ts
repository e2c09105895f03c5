/** `softnet exec [--net NAME] -- CMD ...`: a program in a network namespace whose only way out is the daemon. */
import type { NetnsItem } from '../endpoints/deps.ts'
import type { Command } from './cli.ts'
import { getItems, Refused, UsageError } from './cli.ts'

const HELP = 'Usage: softnet exec [ --net NAME ] -- COMMAND [ ARGUMENTS ]\n'

type Entered = NetnsItem & { readonly pid: number }

/** Programs run in namespaces of the kernel; a simulated host runs none. */
const choose = (all: readonly NetnsItem[], name: string | undefined): Entered => {
  const items = all.filter((item): item is Entered => item.pid !== undefined)
  if (items.length === 0)
    throw new Refused('softnet: the daemon has no network namespace to run programs in')
  const names = items.map((item) => item.name).join(', ')
  if (name === undefined) return items[0]!
  const found = items.find((item) => item.name === name)
  if (found === undefined)
    throw new Refused(
      `Cannot open network namespace "${name}": No such file or directory (there is ${names})`
    )
  return found
}

export const exec: Command = async (args, cli) => {
  let net: string | undefined
  let at = 0
  for (; at < args.length && args[at]!.startsWith('-'); at++) {
    const word = args[at]!
    if (word === '--') {
      at++
      break
    }
    if (word === '--net') net = args[++at]
    else if (word.startsWith('--net=')) net = word.slice('--net='.length)
    else if (word === '-h' || word === '--help') {
      cli.out(HELP)
      return 0
    } else
      throw new UsageError(`softnet: exec: unknown option "${word}" (write -- before the command)`)
  }
  const command = args.slice(at)
  if (command.length === 0)
    throw new UsageError(`softnet: exec: a command is needed. ${HELP.trimEnd()}`)
  const { pid } = choose(await getItems<NetnsItem>(cli, '/v1/netns'), net)
  const { execInNamespace } = await import('../../workers/os/exec.ts')
  try {
    return await execInNamespace(pid, command, { env: cli.env })
  } catch (error) {
    throw new Refused(`softnet: exec: ${(error as Error).message}`)
  }
}
