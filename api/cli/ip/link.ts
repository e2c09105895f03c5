/** `ip link`: show, add, set, delete. iproute2: ip/iplink.c. */
import type { LinkItem, LinkSpec } from '../../../core/control/text/messages.ts'
import { linkBrief, linkBriefJson, linkJson, linkText } from '../../iproute2/link.ts'
import type { Cli } from '../cli.ts'
import {
  getItems,
  incomplete,
  printJson,
  printLines,
  Refused,
  segment,
  send,
  UsageError,
} from '../cli.ts'
import type { IpObject, IpOptions } from './object.ts'
import { type Master, slavesOf, takeMaster } from './vrf.ts'
import { garbage, matchWord, unknownCommand, type Words } from '../words.ts'

const HELP = `Usage: softnet ip link [ show [ DEV ] [ up ] [ type KIND ] [ master DEV ] [ vrf NAME ] ]
       softnet ip link add [ name ] NAME [ index N ] type KIND [ mtu MTU ] [ address LLADDR ]
                       [ netns NAME ] [ peer name NAME [ mtu MTU ] [ address LLADDR ] [ netns NAME ] ]
       softnet ip link set [ dev ] DEV [ up | down ] [ mtu MTU ] [ address LLADDR ] [ name NEWNAME ]
                       [ txqueuelen N ] [ promisc on|off ] [ allmulticast on|off ] [ arp on|off ]
                       [ master DEV | nomaster ] [ netns NAME ]
       softnet ip link delete [ dev ] DEV
`

export const requireDevice = (dev: string | undefined): string => {
  if (dev === undefined) throw new UsageError('Not enough information: "dev" argument is required.')
  return dev
}

const show = async (words: Words, options: IpOptions, cli: Cli): Promise<number> => {
  let dev: string | undefined
  let kind: string | undefined
  let master: Master | undefined
  let isUpOnly = false
  while (!words.isEmpty()) {
    const found = takeMaster(words)
    if (found !== undefined) master = found
    else if (words.take('up')) isUpOnly = true
    else if (words.take('type')) kind = words.next()
    else if (words.take('dev')) dev = words.next()
    else if (dev !== undefined) throw garbage(words.next(), 'dev')
    else dev = words.next()
  }
  const all = await getItems<LinkItem>(cli, '/v1/links')
  const isSlave = await slavesOf(master, cli)
  const links = all.filter(
    (link) =>
      isSlave(link.ifname) &&
      (dev === undefined || link.ifname === dev) &&
      (kind === undefined || link.linkinfo?.info_kind === kind) &&
      (!isUpOnly || link.flags.includes('UP'))
  )
  if (dev !== undefined && !all.some((link) => link.ifname === dev)) {
    throw new Refused(`Device "${dev}" does not exist.`)
  }
  if (options.json) {
    const json = options.brief ? linkBriefJson : (link: LinkItem) => linkJson(link, options)
    printJson(cli, links.map(json), options.pretty)
  } else if (options.brief) printLines(cli, links.map(linkBrief))
  else {
    const texts = links.map((link) => linkText(link, options))
    printLines(cli, options.oneline ? texts.map((text) => text.replaceAll('\n', '\\')) : texts)
  }
  return 0
}

/** The words that add and set share; false for a word that is none of them. */
const readWord = (word: string, words: Words, link: Partial<LinkSpec>): boolean => {
  if (word === 'up') link.up = true
  else if (word === 'down') link.up = false
  else if (word === 'mtu') link.mtu = words.number('mtu')
  else if (word === 'address') link.address = words.next()
  else if (matchWord(word, ['txqueuelen', 'txqlen', 'qlen']))
    link.txqlen = words.number('txqueuelen')
  else if (word === 'promisc') link.promisc = words.onOff('promisc')
  else if (word === 'allmulticast') link.allmulticast = words.onOff('allmulticast')
  else if (word === 'arp') link.arp = words.onOff('arp')
  else if (word === 'master') link.master = words.next()
  else if (word === 'nomaster') link.master = null
  else return false
  return true
}

const readIndex = (words: Words): number => {
  const index = words.number('index')
  if (index > 0) return index
  throw new UsageError(`Error: argument "${index}" is wrong: Invalid "index" value`)
}

type NewLink = { ifname: string } & Partial<LinkSpec>
type Placed = NewLink & { netns: string }
/** The namespace that has no name is that of the first process. */
const DEFAULT_NETNS = '1'

/** A veth has one queue each way. */
const readQueue = (word: string, words: Words, way: string): void => {
  if (words.number(word) !== 1) throw new UsageError(`Error: Invalid number of ${way} queues.`)
}
/** What follows `peer` is said of the other device of the pair. */
const readPeer = (words: Words): NewLink => {
  words.take('name')
  const peer: NewLink = { ifname: words.next() }
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'netns') peer.netns = words.next()
    else if (word === 'numtxqueues') readQueue(word, words, 'transmit')
    else if (word === 'numrxqueues') readQueue(word, words, 'receive')
    else if (!['mtu', 'address'].includes(word) || !readWord(word, words, peer))
      throw garbage(word, 'peer')
  }
  return peer
}

const readNew = (words: Words): { link: NewLink; peer: NewLink | undefined } => {
  let ifname: string | undefined
  let peer: NewLink | undefined
  const link: Partial<LinkSpec> = {}
  const data: Record<string, unknown> = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'type') link.kind = words.next()
    else if (word === 'name' || word === 'dev') ifname = words.next()
    else if (word === 'netns') link.netns = words.next()
    else if (word === 'numtxqueues') link.num_tx_queues = words.number(word)
    else if (word === 'numrxqueues') link.num_rx_queues = words.number(word)
    else if (word === 'index' && link.kind === undefined) link.ifindex = readIndex(words)
    else if (word === 'peer') peer = readPeer(words)
    else if (readWord(word, words, link)) continue
    // What follows the kind belongs to its driver, as KEY VALUE.
    else if (link.kind !== undefined) data[word] = words.next()
    else if (ifname === undefined) ifname = word
    else throw garbage(word, 'name')
  }
  if (ifname === undefined)
    throw new UsageError('Not enough information: "name" argument is required.')
  if (link.kind === undefined)
    throw new UsageError('Not enough information: "type" argument is required')
  return { link: { ifname, ...link, ...(Object.keys(data).length > 0 && { data }) }, peer }
}
/** Of a pair that reaches into the default namespace the end there is made first, and the other with it. */
const inOrder = (
  near: Placed,
  peer: Placed | undefined
): [near: Placed, peer: Placed | undefined] => {
  if (peer === undefined || peer.netns !== DEFAULT_NETNS || near.netns === DEFAULT_NETNS)
    return [near, peer]
  const { kind, ...rest } = near
  return [{ ...peer, kind: kind! }, rest]
}
const add = async (words: Words, cli: Cli): Promise<number> => {
  const { link, peer } = readNew(words)
  const here = cli.netns ?? DEFAULT_NETNS
  const [{ netns, ...near }, other] = inOrder(
    { netns: here, ...link },
    peer && { netns: here, ...peer }
  )
  if (other !== undefined) {
    const { ifname: name, netns: there, ...more } = other
    const said = { name, ...more, ...(there !== netns && { netns: there }) }
    near.data = { ...near.data, peer: Object.keys(said).length === 1 ? name : said }
  }
  const path = netns === here ? '/v1/links' : `/v1/netns/${segment(netns)}/links`
  await send(cli, 'POST', path, near)
  return 0
}

const set = async (words: Words, cli: Cli): Promise<number> => {
  let dev: string | undefined
  const link: Partial<LinkSpec> = {}
  while (!words.isEmpty()) {
    const word = words.next()
    if (word === 'dev') dev = words.next()
    else if (word === 'name') link.newname = words.next()
    else if (word === 'netns') link.netns = words.next()
    else if (readWord(word, words, link)) continue
    else if (dev === undefined) dev = word
    else throw garbage(word, 'dev')
  }
  await send(cli, 'PATCH', `/v1/links/${segment(requireDevice(dev))}`, link)
  return 0
}

export const ipLink: IpObject = async (words, options, cli) => {
  if (words.isEmpty()) return show(words, options, cli)
  const word = words.next()
  const verb = matchWord(word, ['show', 'list', 'lst', 'add', 'set', 'delete', 'help'])
  switch (verb) {
    case 'show':
    case 'list':
    case 'lst':
      return show(words, options, cli)
    case 'add':
      return add(words, cli)
    case 'set':
      return set(words, cli)
    case 'delete': {
      words.take('dev')
      if (words.isEmpty()) throw incomplete()
      await send(cli, 'DELETE', `/v1/links/${segment(words.next())}`)
      return 0
    }
    case 'help':
      cli.out(HELP)
      return 0
    default:
      throw unknownCommand(word, 'link')
  }
}
