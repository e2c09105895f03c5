/** `softnet ip`: iproute2's options and objects. Each object is a file of its own. */
import type { FamilyName } from '../../core/control/text/messages.ts'
import type { Command } from './cli.ts'
import { incomplete, inNetns, UsageError } from './cli.ts'
import { ipAddr } from './ip-addr.ts'
import type { IpObject } from './ip-object.ts'
import { ipLink } from './ip-link.ts'
import { ipMaddr } from './ip-maddr.ts'
import { ipMonitor } from './ip-monitor.ts'
import { ipMroute } from './ip-mroute.ts'
import { ipNeigh } from './ip-neigh.ts'
import { ipNetns } from './ip-netns.ts'
import { ipNexthop } from './ip-nexthop.ts'
import { ipRoute } from './ip-route.ts'
import { ipRule } from './ip-rule.ts'
import { createWords, matchWord } from './words.ts'

/** In iproute2's order, which decides what an abbreviation means. */
const OBJECTS: ReadonlyArray<readonly [name: string, run: IpObject]> = [
  ['address', ipAddr],
  ['addrlabel', notHere('addrlabel')],
  ['maddress', ipMaddr],
  ['route', ipRoute],
  ['rule', ipRule],
  ['neighbor', ipNeigh],
  ['neighbour', ipNeigh],
  ['ntable', notHere('ntable')],
  ['link', ipLink],
  ['monitor', ipMonitor],
  ['mroute', ipMroute],
  ['netns', ipNetns],
  ['nexthop', ipNexthop],
]

function notHere(object: string): IpObject {
  return async () => {
    throw new UsageError(`Object "${object}" is not supported by softnet, try "ip help".`)
  }
}

const HELP = `Usage: softnet ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | maddress | monitor | mroute | neighbour | netns |
                      nexthop | route | rule }
       OPTIONS := { -j[son] | -p[retty] | -s[tatistics] | -d[etails] | -o[neline] | -br[ief] | -4 | -6 |
                    -f[amily] { inet | inet6 } | -n[etns] NETNS }
`

export const ip: Command = async (args, cli) => {
  const options = {
    json: cli.json,
    pretty: false,
    stats: false,
    details: false,
    oneline: false,
    brief: false,
    family: undefined as FamilyName | undefined,
  }
  let netns: string | undefined
  let at = 0
  for (; args[at]?.startsWith('-'); at++) {
    const option = args[at]!.replace(/^-+/, '')
    if (option === '4') options.family = 'inet'
    else if (option === '6') options.family = 'inet6'
    else if (option === 'br') options.brief = true
    else {
      const name = matchWord(option, [
        'statistics',
        'stats',
        'details',
        'json',
        'pretty',
        'oneline',
        'brief',
        'family',
        'netns',
        'color',
        'numeric',
        'help',
        'loops',
      ])
      if (name === 'statistics' || name === 'stats') options.stats = true
      else if (name === 'details') options.details = true
      else if (name === 'json') options.json = true
      else if (name === 'pretty') options.pretty = true
      else if (name === 'oneline') options.oneline = true
      else if (name === 'brief') options.brief = true
      else if (name === 'netns') {
        netns = args[++at]
        if (netns === undefined) throw incomplete()
      } else if (name === 'family') {
        const family = args[++at]
        if (family === undefined) throw incomplete()
        if (family !== 'inet' && family !== 'inet6')
          throw new UsageError(`Error: argument "${family}" is wrong: invalid protocol family`)
        options.family = family
      } else if (name === 'help') {
        cli.out(HELP)
        return 0
      } else if (name !== 'color' && name !== 'numeric') {
        throw new UsageError(`Option "${args[at]}" is unknown, try "ip -help".`)
      }
    }
  }
  const object = args[at]
  if (object === undefined || object === 'help') {
    ;(object === undefined ? cli.err : cli.out)(HELP)
    return object === undefined ? 2 : 0
  }
  const name = matchWord(
    object,
    OBJECTS.map(([name]) => name)
  )
  const run = OBJECTS.find(([known]) => known === name)?.[1]
  if (run === undefined) throw new UsageError(`Object "${object}" is unknown, try "ip help".`)
  const { family, ...rest } = options
  return run(
    createWords(args.slice(at + 1)),
    { ...rest, ...(family && { family }) },
    inNetns(cli, netns)
  )
}
