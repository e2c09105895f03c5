/** `ip netns`: list, list-id, add, delete, exec, and what is in netns-pids.ts. iproute2: ip/ipnetns.c. */
import type { NetnsItem } from '../../endpoints/deps.ts'
import { getItems, printJson, printLines, Refused, segment, send, UsageError } from '../cli.ts'
import type { Cli } from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { exec } from '../exec.ts'
import { attach, identify, pids, setId } from './netns-pids.ts'
import { garbage, matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip netns [ list ]
       softnet ip netns show NAME
       softnet ip netns list-id [ nsid NSID ]
       softnet ip netns add NAME
       softnet ip netns delete NAME
       softnet ip netns identify [ PID ]
       softnet ip netns pids NAME
       softnet ip netns exec NAME COMMAND ...
`
const VERBS = [
  'list',
  'show',
  'lst',
  'list-id',
  'help',
  'add',
  'set',
  'delete',
  'identify',
  'pids',
  'exec',
  'attach',
] as const

const nextName = (words: Words): string => {
  if (words.isEmpty()) throw new UsageError('No netns name specified')
  const name = words.next()
  // names of files: in a path they would be others (invalid_name)
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw new Refused(`Invalid netns name "${name}"`)
  return name
}
const nameOf = (words: Words): string => {
  const name = nextName(words)
  if (!words.isEmpty()) throw garbage(words.next(), 'name')
  return name
}

const list = async (words: Words, options: IpOptions, cli: Cli): Promise<void> => {
  const name = words.isEmpty() ? undefined : nameOf(words)
  const all = await getItems<NetnsItem>(cli, '/v1/netns')
  const items = all.filter((item) => name === undefined || item.name === name)
  if (options.json) printJson(cli, items, options.pretty)
  else
    printLines(
      cli,
      items.map(({ name, id }) => (id === undefined ? name : `${name} (id: ${id})`))
    )
}

/** By their numbers in this net, of those that have one (print_nsid). */
const listId = async (words: Words, options: IpOptions, cli: Cli): Promise<void> => {
  const wanted = words.take('nsid') ? words.number('nsid') : undefined
  if (!words.isEmpty()) throw garbage(words.next(), 'nsid')
  const all = await getItems<NetnsItem>(cli, '/v1/netns')
  const items = all.flatMap(({ name, id: nsid }) =>
    nsid === undefined || (wanted ?? nsid) !== nsid ? [] : [{ nsid, name }]
  )
  if (wanted !== undefined && items.length === 0)
    throw new Refused('Error: Peer netns reference is invalid.')
  items.sort((a, b) => a.nsid - b.nsid)
  if (options.json) printJson(cli, items, options.pretty)
  else
    printLines(
      cli,
      items.map(({ nsid, name }) => `nsid ${nsid} (iproute2 netns name: ${name})`)
    )
}

export const ipNetns: IpObject = async (words, options, cli) => {
  const word = words.isEmpty() ? 'list' : words.next()
  switch (matchWord(word, VERBS)) {
    case 'list':
    case 'show':
    case 'lst':
      await list(words, options, cli)
      return 0
    case 'list-id':
      await listId(words, options, cli)
      return 0
    case 'add':
      await send(cli, 'POST', '/v1/netns', { name: nameOf(words) })
      return 0
    case 'delete':
      await send(cli, 'DELETE', `/v1/netns/${segment(nameOf(words))}`)
      return 0
    case 'set':
      return setId(words, cli)
    case 'identify':
      await identify(words, cli)
      return 0
    case 'pids':
      await pids(words, nextName(words), cli)
      return 0
    case 'attach':
      return attach(words, cli)
    case 'exec': {
      const [name, ...command] = words.rest()
      if (name === undefined) throw new UsageError('No netns name specified')
      if (command.length === 0) throw new UsageError('No command specified')
      return exec(['--net', name, '--', ...command], cli)
    }
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'netns')
  }
}
