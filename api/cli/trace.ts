/** `softnet trace`: the way of the next packets, or with --dry of a made-up one, stage by stage. */
import type { TracedPacket } from '../../core/control/text/messages.ts'
import { traceText } from '../iproute2/trace.ts'
import type { Cli, Command } from './cli.ts'
import { ask, getLines, UsageError } from './cli.ts'

const HELP = `Usage: softnet trace [ -n N ] [ -i DEV ] [ FILTER ]
       softnet trace --dry dev=DEV PACKET
   -n N      follow N packets (10)        -i DEV  those that come in by one device, or are sent by it
   FILTER    an expression as tcpdump takes it, such as "icmp or tcp port 80"
   PACKET    "tcp|udp|icmp SRC[:PORT] > DST[:PORT]", and then any of: ttl N, tos N, len N, df, flags SA, from MAC, to MAC;
             or a frame in hex. It goes through the real code on a copy: nothing is sent, counted or changed.
A line for each stage with what it decided; ">" leads those of what the packet led to: an answer, an ICMP error, ARP.
`

const show = (cli: Cli, packet: TracedPacket): void =>
  cli.out(cli.json ? `${JSON.stringify(packet)}\n` : `${traceText(packet)}\n`)

const dry = async (args: readonly string[], cli: Cli): Promise<void> => {
  const [dev, ...packet] = args
  if (dev?.startsWith('dev=') !== true || packet.length === 0)
    throw new UsageError('trace: --dry takes dev=DEV and a packet')
  const body = { dev: dev.slice('dev='.length), packet: packet.join(' ') }
  show(cli, await ask<TracedPacket>(cli, '/v1/trace', body))
}

const VALUES: Readonly<Record<string, string>> = { '-n': 'limit', '-i': 'dev' }

const live = async (args: readonly string[], cli: Cli): Promise<void> => {
  const query: Record<string, string> = {}
  let at = 0
  for (; at < args.length && args[at]!.startsWith('-'); at += 2) {
    const [option, value] = [args[at]!, args[at + 1]]
    if (!Object.hasOwn(VALUES, option))
      throw new UsageError(`trace: invalid option -- '${option.replace(/^-+/, '')}'`)
    if (value === undefined)
      throw new UsageError(`trace: option requires an argument -- '${option.slice(1)}'`)
    query[VALUES[option]!] = value
  }
  const filter = args.slice(at).join(' ')
  if (filter !== '') query.filter = filter
  let lost = 0
  for await (const line of getLines<TracedPacket | { lost: number }>(cli, '/v1/trace', query)) {
    if ('lost' in line) lost = line.lost
    else show(cli, line)
  }
  if (lost > 0) cli.err(`${lost} stages found no room\n`)
}

export const trace: Command = async (args, cli) => {
  if (args.includes('--help') || args.includes('-h')) cli.out(HELP)
  else if (args[0] === '--dry') await dry(args.slice(1), cli)
  else await live(args, cli)
  return 0
}
