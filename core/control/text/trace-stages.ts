/**
 * The stages of a traced packet in words: what each has noted (dev/trace.ts, netfilter/nf-trace.ts), what control knows
 * besides, and what became of the packet in the end. For text/trace.ts.
 */
import { i32le } from '../../base/bytes.ts'
import { Errno } from '../../base/errno.ts'
import { AF_INET, AF_INET6, V4_MAPPED } from '../../base/family.ts'
import {
  TR_ANSWER,
  TR_ARG,
  TR_STAGE,
  TR_WORDS,
  TRACE_DROP,
  TRACE_HOLD,
  TRACE_HOOK,
  TRACE_NEIGH,
  TRACE_RESUME,
  TRACE_ROUTE,
  TRACE_RX,
  TRACE_XMIT,
} from '../../dev/trace-constants.ts'
import { Holder } from '../../skb/budget.ts'
import { Drop } from '../../skb/drop.ts'
import { createFlowDissector, DISSECT_OK } from '../../steering/flow-dissect.ts'
import { dumpFrame } from '../../wire/dump.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import { formatIpv4, formatMac, formatWords, networkOf, type Words } from '../../wire/text.ts'
import * as answers from '../rtnl/answers.ts'
import type { CapturedFrame } from '../diag/captures.ts'
import type { ControlPlane } from '../control.ts'
import { type PacketEnds, packetEnds } from '../diag/packet-ends.ts'
import type { Sock } from '../rtnetlink.ts'
import type { TracedPacket } from './messages.ts'
import { ipProtocolNames, tableNames, typeNames } from './names.ts'
import { NUD_NAMES } from './neigh.ts'
import { dropPlace, dropRemedy } from './trace-reasons.ts'

const nameIn = (numbers: Readonly<Record<string, number>>): ((number: number) => string) => {
  const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name]))
  return (number) => names.get(number) ?? String(number)
}
const reasonName = nameIn(Drop)
const holderName = nameIn(Holder)
/** Those from whom a packet goes on by itself. */
const PASSING = ['reasm', 'neigh', 'qdisc', 'netem', 'mroute', 'proxy']
/** nft's words for the hooks, by number. */
const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const
/** PACKET_*, as ip says it of a frame's destination. */
const PKT_TYPES = ['host', 'broadcast', 'multicast', 'otherhost', 'outgoing', 'loopback'] as const
/** STAGE_* */
const RESUMED = ['frame', 'received', 'deliver', 'socket'] as const

/** Reasons that the route lookup is behind. */
const NO_ROUTE = ['IP_INNOROUTES', 'IP_INADDRERRORS']

/** A packet whose way goes on. */
export type Open = {
  startUs: number
  lastUs: number
  ends: PacketEnds | null
  isV6: boolean
  last: string
  isKept: boolean
  packet: TracedPacket
}
/** The words of a record. */
type Note = {
  frame: CapturedFrame
  arg: (k: number) => number
  words: (k: number) => Words
  octets: Uint8Array
}
type Told = { stage: string; text: string; [word: string]: unknown }

const noteOf = (frame: CapturedFrame): Note => {
  const arg = (k: number): number => i32le(frame.bytes, (TR_ARG + k) * 4)
  return {
    frame,
    arg,
    words: (k) => [arg(k), arg(k + 1), arg(k + 2), arg(k + 3)],
    octets: frame.bytes.subarray(TR_WORDS * 4),
  }
}
/** As ss has it. */
const endText = ({ family, local: { words, port } }: Sock): string =>
  family === AF_INET ? `${formatIpv4(words[3])}:${port}` : `[${textOf(words)}]:${port}`
const isV4Words = ([w0, w1, w2]: Words): boolean => w0 === 0 && w1 === 0 && w2 === V4_MAPPED
const textOf = (words: Words): string => formatWords(...words)

/** The frame as long as it is: only its headers are there, the rest are zeroes. */
const wholeFrame = (octets: Uint8Array, len: number): Uint8Array => {
  const whole = new Uint8Array(len)
  whole.set(octets)
  return whole
}
/** As tcpdump words it. */
export const dumped = (frame: Uint8Array): string => dumpFrame(frame, 0, frame.length)
/** Null for what is no IP packet. */
const endsOf = (frame: Uint8Array, dev: number): PacketEnds | null => {
  const dissector = createFlowDissector(frame)
  return dissector.dissect(0, frame.length) === DISSECT_OK ? packetEnds(dissector, dev) : null
}

export const createTraceStages = (
  plane: Pick<ControlPlane, 'takerOf' | 'nameOf' | 'dump' | 'apply'>
) => {
  const { nameOf } = plane
  const devName = (ifindex: number): string => (ifindex === 0 ? '-' : nameOf(ifindex))
  const hasPorts = (protocol: number): boolean =>
    protocol === IPPROTO_TCP || protocol === IPPROTO_UDP

  const takerOf = (ends: PacketEnds): Sock | undefined =>
    hasPorts(ends.protocol) ? plane.takerOf(ends) : undefined
  /** What was looked up for this look at the rings: it is the same for most packets. */
  const tables = new Map<number, number[]>()
  const rules = new Map<string, number | undefined>()
  const forget = (): void => {
    tables.clear()
    rules.clear()
  }
  const tableOf = (ifindex: number): number[] => {
    const known = tables.get(ifindex)
    if (known !== undefined) return known
    const rss = plane.apply({ type: 'ETHTOOL_MSG_RSS_GET', ifindex })
    const table = answers.isRefused(rss) ? [] : rss.item.indirection
    tables.set(ifindex, table)
    return table
  }
  /** Where a hash leads by the device's table; RPS and RFS may overrule it. */
  const rssOf = (ifindex: number, hash: number) => {
    const indirection = tableOf(ifindex)
    if (indirection.length === 0 || hash === 0) return undefined
    const entry = hash & (indirection.length - 1)
    return { entry, queue: indirection[entry] }
  }

  // ---- the stages, by TRACE_*

  const received = (open: Open, { frame, arg, octets }: Note): Told => {
    const dev = devName(frame.ifindex)
    const hash = `0x${(arg(0) >>> 0).toString(16).padStart(8, '0')}`
    const type = PKT_TYPES[arg(1)] ?? String(arg(1))
    const whole = wholeFrame(octets, arg(3))
    open.ends = endsOf(whole, frame.ifindex)
    open.isV6 = octets.length >= 14 && ethernet.type(octets, 0) === ethernet.ETH_P_IPV6
    const what = dumped(whole)
    if (open.packet.frame === '') {
      open.packet.dev = dev
      open.packet.frame = what
    }
    open.packet.verdict = `received on ${dev}`
    const segments = Math.max(1, arg(2))
    const rss = rssOf(frame.ifindex, arg(0))
    const steered = arg(0) === 0 ? 'no flow' : `hash ${hash}`
    const by = rss === undefined ? '' : `, rss[${rss.entry}] = queue ${rss.queue}`
    return {
      stage: 'receive',
      dev,
      hash,
      rss,
      pkt_type: type,
      length: arg(3),
      segments,
      ...(arg(4) >= 0 && { vlan: arg(4) & 0xfff }),
      text: `${dev}: ${steered}${by} -> cpu ${frame.cpu}; ${type}, ${arg(3)} octets${segments > 1 ? `, ${segments} segments` : ''}`,
    }
  }
  const resumed = (_open: Open, { frame, arg }: Note): Told => {
    const at = RESUMED[arg(0)] ?? String(arg(0))
    return { stage: 'resume', resumes: at, text: `goes on at cpu ${frame.cpu}, at ${at}` }
  }
  /** Who takes what is for this host: the socket, or the protocol. */
  const taker = (open: Open) => {
    const { ends } = open
    if (ends === null) return { text: 'for this host' }
    const protocol = ipProtocolNames.format(ends.protocol)
    const sock = takerOf(ends)
    if (sock === undefined) {
      const none = hasPorts(ends.protocol) ? `${protocol}: no socket` : protocol
      return { protocol, text: `for this host: ${none}` }
    }
    const { state } = sock.info
    const text = `for this host: ${protocol} socket ${state} ${endText(sock)}, cookie ${sock.cookie}, worker ${sock.worker}`
    return { protocol, socket: { state, cookie: sock.cookie, worker: sock.worker }, text }
  }
  const atHook = (open: Open, { arg }: Note): Told => {
    const hook = HOOKS[arg(0)] ?? String(arg(0))
    const [from, to] = [devName(arg(2)), devName(arg(3))]
    const family = arg(1) === AF_INET6 ? 'ip6' : 'ip'
    const said = { stage: hook, family, iif: from, oif: to }
    if (hook === 'input') {
      const found = taker(open)
      open.packet.verdict = found.text.replace('for this host', 'delivered')
      return { ...said, ...found }
    }
    const texts: Record<string, string> = {
      prerouting: `${family}_rcv: the header is right`,
      forward: `${family}_forward: ${from} -> ${to}, one hop less`,
      output: `${family}_local_out: made here, leaves by ${to}`,
      postrouting: `${family}_output: leaves by ${to}`,
    }
    return { ...said, text: texts[hook] ?? hook }
  }
  /** The one rule that leads to a table, when there is one. */
  const ruleOf = (family: number, table: number): number | undefined => {
    const key = `${family} ${table}`
    if (!rules.has(key)) rules.set(key, findRule(family, table))
    return rules.get(key)
  }
  const findRule = (family: number, table: number): number | undefined => {
    const all = plane.dump({ type: 'RTM_GETRULE', filter: { family } })
    if (answers.isRefused(all)) return undefined
    const leading = [...all].flat().filter((rule) => rule.table === table)
    return leading.length === 1 ? leading[0].priority : undefined
  }
  const routed = (_open: Open, { arg, words }: Note): Told => {
    const dst = words(7)
    const isV6 = !isV4Words(dst)
    const prefix = networkOf({ family: isV6 ? 6 : 4, words: dst, prefixlen: arg(3) })
    const to = arg(3) === 0 ? 'default' : `${textOf(prefix.words)}/${arg(3)}`
    const type = typeNames.format(arg(0))
    // a row that no table has: of the device, for what is on its link or to a group
    const table = arg(4) === 0 ? undefined : tableNames.format(arg(4))
    const rule = table === undefined ? undefined : ruleOf(isV6 ? AF_INET6 : AF_INET, arg(4))
    const gateway = arg(6) === 0 ? undefined : textOf(words(11))
    const dev = devName(arg(1))
    const metric = arg(5) >>> 0
    // what is for this host leaves by no device
    const mtu = HOOKS[arg(15)] === 'input' ? undefined : arg(2)
    const text = [
      rule !== undefined && `rule ${rule}:`,
      type,
      table === undefined ? textOf(dst) : to,
      gateway && `via ${gateway}`,
      `dev ${dev}`,
      table && `table ${table}`,
      metric !== 0 && `metric ${metric}`,
      mtu !== undefined && `mtu ${mtu}`,
    ]
    return {
      stage: 'route',
      type,
      dst: to,
      gateway,
      dev,
      table,
      rule,
      metric,
      mtu,
      text: text.filter(Boolean).join(' '),
    }
  }
  const neighbour = (_open: Open, { arg, words }: Note): Told => {
    const [dst, dev] = [textOf(words(4)), devName(arg(0))]
    const state = arg(1) === -1 ? null : (NUD_NAMES.get(arg(1)) ?? 'NONE')
    const lladdr = state === null || state === 'INCOMPLETE' ? undefined : formatMac(arg(2), arg(3))
    const text =
      state === null
        ? `${dst} dev ${dev}: nobody knows it yet`
        : [dst, `dev ${dev}`, lladdr && `lladdr ${lladdr}`, state].filter(Boolean).join(' ')
    return { stage: 'neigh', dst, dev, lladdr, state: state === null ? [] : [state], text }
  }
  const kept = (open: Open, { arg }: Note): Told => {
    const holder = holderName(arg(0))
    open.isKept = PASSING.includes(holder)
    open.packet.verdict = `kept by ${holder}`
    return { stage: 'hold', holder, text: `waits: ${holder}` }
  }
  const sent = (open: Open, { frame, arg, octets }: Note): Told => {
    const dev = devName(frame.ifindex)
    const what = dumped(wholeFrame(octets, arg(1)))
    if (open.packet.frame === '') {
      open.packet.dev = dev
      open.packet.frame = what
    }
    open.isKept = false
    open.packet.verdict = `sent by ${dev}`
    const segments = Math.max(1, arg(0))
    return {
      stage: 'transmit',
      dev,
      length: arg(1),
      segments,
      frame: what,
      text: `${dev}: ${what}${segments > 1 ? ` (${segments} segments, one super-frame)` : ''}`,
    }
  }
  /** Why no route takes the packet, as the tables are now; and what would. */
  const noRoute = ({
    daddr,
    saddr,
    dev,
  }: PacketEnds): readonly [why: string, takes: string] | null => {
    const family = isV4Words(daddr) ? AF_INET : AF_INET6
    const lookup = (iif: number): number => {
      const query = {
        family,
        dst: daddr,
        src: iif === 0 ? null : saddr,
        iif,
        oif: 0,
        tos: 0,
        mark: 0,
        proto: 0,
        sport: 0,
        dport: 0,
      }
      const answer = plane.apply({ type: 'RTM_GETROUTE', query })
      return answers.isRefused(answer) ? answer.error : 0
    }
    const dst = textOf(daddr)
    const name = devName(dev)
    const silent = [`${name} does not forward`, `forwarding 1 on ${name}`] as const
    switch (lookup(dev)) {
      case 0:
        return family === AF_INET ? null : silent
      case Errno.ENETUNREACH:
        return [`no route to ${dst}`, 'one, made with `ip route add`']
      case Errno.EINVAL:
        return [`a blackhole route to ${dst}`, 'another route']
      case Errno.EACCES:
        return [`a prohibit route to ${dst}`, 'another route']
      case Errno.EHOSTUNREACH:
        return lookup(0) === Errno.EHOSTUNREACH
          ? [`an unreachable route to ${dst}`, 'another route']
          : silent
    }
    return null
  }
  const remedyOf = ({ ends }: Open, reason: string): readonly [why: string, takes: string] => {
    const routed = NO_ROUTE.includes(reason) && ends !== null ? noRoute(ends) : null
    if (routed !== null) return routed
    if (reason === 'NO_SOCKET' && ends !== null) {
      const port = `${ipProtocolNames.format(ends.protocol)} port ${ends.dport}`
      return ['', `a socket on ${port} of ${textOf(ends.daddr)}`]
    }
    return ['', dropRemedy(reason)]
  }
  const dropped = (open: Open, { arg }: Note): Told => {
    const reason = reasonName(arg(0))
    const place = dropPlace(reason, open.last, open.isV6)
    const [why, takes] = remedyOf(open, reason)
    open.isKept = false
    open.packet.verdict = `dropped: ${reason}`
    return {
      stage: 'drop',
      reason,
      place,
      ...(why !== '' && { why }),
      ...(takes !== '' && { would_pass: takes }),
      text: `${reason} in ${place}${why && `: ${why}`}${takes && `; it takes ${takes}`}`,
    }
  }
  const STAGES: Readonly<Record<number, (open: Open, note: Note) => Told>> = {
    [TRACE_RX]: received,
    [TRACE_RESUME]: resumed,
    [TRACE_HOOK]: atHook,
    [TRACE_ROUTE]: routed,
    [TRACE_NEIGH]: neighbour,
    [TRACE_HOLD]: kept,
    [TRACE_XMIT]: sent,
    [TRACE_DROP]: dropped,
  }

  // ---- packets

  /** A packet of which nothing has been noted yet. */
  const newOpen = (startUs: number): Open => ({
    startUs,
    lastUs: startUs,
    ends: null,
    isV6: false,
    last: '',
    isKept: false,
    packet: { dev: '-', frame: '', stages: [], verdict: '' },
  })
  /** Adds what a stage has noted. */
  const add = (open: Open, frame: CapturedFrame): void => {
    const isAnswer = i32le(frame.bytes, TR_ANSWER * 4) === 1
    // what an answer goes through is its own: it says nothing of the packet's end
    const before = { ...open, packet: { ...open.packet } }
    const { stage, text, ...fields } = STAGES[i32le(frame.bytes, TR_STAGE * 4)](open, noteOf(frame))
    if (isAnswer) {
      open.ends = before.ends
      open.isKept = before.isKept
      open.packet.verdict = before.packet.verdict
    } else open.last = stage
    open.lastUs = frame.timeUs
    // a dry run begins with its packet, whenever it was asked for
    if (open.packet.stages.length === 0) open.startUs = frame.timeUs
    open.packet.stages.push({
      stage,
      at_us: frame.timeUs - open.startUs,
      cpu: frame.cpu,
      ...(isAnswer && { answer: true }),
      ...fields,
      text,
    })
  }
  return { newOpen, add, takerOf, forget }
}
