/** `softnet exec [--net NAME] -- CMD ...`: a program in a network namespace whose only way out is the daemon. */
import type { NetnsItem } from '../endpoints/deps.ts'
import type { Command } from './cli.ts'
import { getItems, Refused, UsageError } from './cli.ts'

const HELP = 'Usage: softnet exec [ --netns NAME ] -- COMMAND [ ARGUMENTS ]\n'

type Entered = NetnsItem & { readonly pid: number }
const isEntered = (item: NetnsItem): item is Entered => item.pid !== undefined

/** Programs run in namespaces of the kernel; a simulated host runs none. */
const choose = (all: readonly NetnsItem[], name: string | undefined): Entered => {
  const items = all.filter(isEntered)
  if (name === undefined && items.length === 0)
    throw new Refused('softnet: the daemon has no network namespace to run programs in')
  if (name === undefined) return items[0]!
  const found = all.find((item) => item.name === name)
  const names = items.map((item) => item.name).join(', ')
  if (found === undefined)
    throw new Refused(
      `Cannot open network namespace "${name}": No such file or directory (there is ${names})`
    )
  if (!isEntered(found))
    throw new Refused(
      `softnet: "${name}" is a simulated host, which runs no programs (there is ${names})`
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
    if (word === '--netns') net = args[++at]
    else if (word.startsWith('--netns=')) net = word.slice('--netns='.length)
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
