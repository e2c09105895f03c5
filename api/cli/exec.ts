/** `softnet exec [--net NAME] -- CMD ...`: a program in a network namespace whose only way out is the daemon. */
import type { NetnsItem } from '../endpoints/deps.ts'
import type { Command } from './cli.ts'
import { getItems, Refused, UsageError } from './cli.ts'

const HELP = 'Usage: softnet exec [ --net NAME ] -- COMMAND [ ARGUMENTS ]\n'

type Entered = NetnsItem & { readonly pid: number }
const isEntered = (item: NetnsItem): item is Entered => item.pid !== undefined

const NONE =
  'the daemon has no network namespace to run programs in: "softnet ip link add user0 up type tap ' +
  'addresses ADDR/LEN gateway ADDR peer name eth0 netns NAME" makes one'

/** Programs run in namespaces of the kernel, and in none of softnet's own. */
const choose = (all: readonly NetnsItem[], name: string | undefined): Entered => {
  const items = all.filter(isEntered)
  const found = name === undefined ? items[0] : all.find((item) => item.name === name)
  if (found !== undefined && isEntered(found)) return found
  const names = items.map((item) => item.name).join(', ')
  if (found !== undefined)
    throw new Refused(
      `softnet: "${name}" is a namespace of softnet's own, which runs no programs (there is ${names || 'none that does'})`
    )
  if (name === undefined) throw new Refused(`softnet: ${NONE}`)
  const there = names === '' ? NONE : `there is ${names}`
  throw new Refused(`Cannot open network namespace "${name}": No such file or directory (${there})`)
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
    if (word === '--net' || word === '--netns') net = args[++at]
    else if (/^--net(ns)?=/.test(word)) net = word.slice(word.indexOf('=') + 1)
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
