/** `softnet ss`: sockets of the stack. Options are ss's; addresses and ports are always numbers. */
import type { SockItem, SockProtocol } from '../../core/control/text/messages.ts'
import { type SsShow, ssSummary, ssText } from '../iproute2/ss.ts'
import type { Cli, Command } from './cli.ts'
import { getItems, inNetns, printJson, segment, send, UsageError } from './cli.ts'
import { parseSsFilter, readSsState } from './ss-filter.ts'
import { VERSION } from './version.ts'
import { letters } from './words.ts'

const HELP = `Usage: softnet ss [ OPTIONS ] [ state STATE ] [ FILTER ]
   -t tcp   -u udp   -w raw   -0 packet   -4 IPv4   -6 IPv6
   -a all   -l listening   -n numeric (always)   -H no header   -O one line   -s summary   -j JSON
   -i internal information   -m memory   -e extended   -o timers   -K close what matches   -V version
   -N NETNS of a network namespace
   FILTER := { src | dst } ADDR[/LEN][:PORT] | { sport | dport } { = != < > <= >= } :PORT, joined by and, or, not, ( )
`

const LONG: Readonly<Record<string, string>> = {
  tcp: 't',
  udp: 'u',
  raw: 'w',
  packet: '0',
  ipv4: '4',
  ipv6: '6',
  all: 'a',
  listening: 'l',
  numeric: 'n',
  'no-header': 'H',
  oneline: 'O',
  summary: 's',
  json: 'j',
  info: 'i',
  memory: 'm',
  extended: 'e',
  options: 'o',
  kill: 'K',
  resolve: 'r',
  processes: 'p',
  help: 'h',
  unix: 'x',
  version: 'V',
}
const KNOWN = new Set([...Object.values(LONG)])

const PROTOCOL: Readonly<Record<string, SockProtocol>> = {
  t: 'tcp',
  u: 'udp',
  w: 'raw',
  '0': 'packet',
}

const readOptions = (args: readonly string[]) => {
  const on = new Set<string>()
  const rest: string[] = []
  let netns: string | undefined
  const words = args.values()
  for (const arg of words) {
    const [, named] = /^--net=(.*)$/.exec(arg) ?? []
    if (named !== undefined || arg === '-N' || arg === '--net') {
      netns = named ?? words.next().value
      if (netns === undefined) throw new UsageError("ss: option requires an argument -- 'N'")
      continue
    }
    const given = arg.startsWith('--') ? [LONG[arg.slice(2)] ?? arg] : letters(arg)
    if (given.length === 0) rest.push(arg)
    for (const letter of given) {
      if (!KNOWN.has(letter))
        throw new UsageError(`ss: invalid option -- '${letter.replace(/^-+/, '')}'`)
      on.add(letter)
    }
  }
  return { on, rest, netns }
}

const CONNECTED_NOT = ['LISTEN', 'UNCONN', 'TIME-WAIT', 'SYN-RECV']

/** Which states are shown: those named, or those that -a and -l mean. */
const stateTest = (
  on: ReadonlySet<string>,
  named: readonly string[]
): ((state: string) => boolean) => {
  if (named.length > 0) return (state) => named.includes(state)
  if (on.has('a')) return () => true
  const packets = on.has('0') ? ['UNCONN'] : []
  if (on.has('l')) return (state) => state === 'LISTEN' || state === 'UNCONN'
  // packet sockets have no other state, and ss asks for one set of states of all
  return (state) => !CONNECTED_NOT.includes(state) || packets.includes(state)
}

const fetchSockets = async (
  cli: Cli,
  protocols: readonly SockProtocol[],
  family: string | undefined
): Promise<SockItem[]> => {
  const lists = await Promise.all(
    protocols.map((protocol) => getItems<SockItem>(cli, `/v1/sockets/${protocol}`, { family }))
  )
  return lists.flat()
}

/** ss asks for raw and udp before tcp, and prints them so. */
const ORDER: readonly SockProtocol[] = ['packet', 'raw', 'udp', 'tcp']
const NETIDS: readonly SockItem['netid'][] = ['p_dgr', 'p_raw', 'raw', 'udp', 'tcp']

/** As the kernel has them: protocol by protocol, IPv4 first, and listeners before the rest. */
const inOrder = (a: SockItem, b: SockItem): number => rankOf(a) - rankOf(b)
const rankOf = ({ netid, family, state }: SockItem): number =>
  NETIDS.indexOf(netid) * 4 + (family === 'inet' ? 0 : 2) + (state === 'LISTEN' ? 0 : 1)
const isDatagram = (protocols: readonly SockProtocol[]): boolean =>
  protocols.every((one) => one !== 'tcp')

export const ss: Command = async (args, outside) => {
  const { on, rest, netns } = readOptions(args)
  const cli = inNetns(outside, netns)
  if (on.has('h')) {
    cli.out(HELP)
    return 0
  }
  if (on.has('V')) {
    cli.out(`ss utility, softnet ${VERSION}\n`)
    return 0
  }
  const chosen = Object.entries(PROTOCOL)
    .filter(([letter]) => on.has(letter))
    .map(([, protocol]) => protocol)
  const asksUnix = on.has('x') && chosen.length === 0
  const protocols = asksUnix
    ? []
    : ORDER.filter((one) => chosen.length === 0 || chosen.includes(one))
  const family = on.has('4') === on.has('6') ? undefined : on.has('6') ? 'inet6' : 'inet'
  const all = await fetchSockets(cli, protocols, family)
  if (on.has('s')) {
    cli.out(ssSummary(all))
    return 0
  }
  const { states, words } = readSsState(rest)
  const hasState = stateTest(on, states)
  const isWanted = parseSsFilter(words)
  const socks = all.filter((sock) => hasState(sock.state) && isWanted(sock)).sort(inOrder)
  // what has no connections is in one state, unless all are asked for
  const isOneState = states.length === 1 || (!on.has('a') && !on.has('l') && isDatagram(protocols))
  if (on.has('K')) {
    for (const sock of socks) await send(cli, 'DELETE', `/v1/sockets/${segment(sock.sk)}`)
  }
  if (cli.json || on.has('j')) {
    printJson(cli, socks)
    return 0
  }
  const show: SsShow = {
    netid: protocols.length !== 1 || protocols[0] === 'packet',
    state: !isOneState,
    header: !on.has('H'),
    info: on.has('i'),
    memory: on.has('m'),
    extended: on.has('e'),
    options: on.has('o'),
    oneline: on.has('O'),
  }
  cli.out(ssText(socks, show))
  return 0
}
