// What the frame fuzzer shoots at: a router with two links, the built-in services, an application that keeps opening,
// using and dropping sockets, and permanent and unknown neighbours. Every frame goes in alone, and every frame must have
// exactly one fate that the counters tell (`fates`); at the end everything must have been given back.

import { AF_INET } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import { DevStat, deviceStats } from '../../core/netdev/netdev.ts'
import { counterBank, Mib } from '../../core/shm/counters.ts'
import type { ArenaConfig } from '../../core/shm/layout.ts'
import { DROP_COUNTERS, Drop } from '../../core/skb/drop.ts'
import { RX_HEADROOM, SKB_DATA, SKB_DEV, SKB_GSO_SIZE, SKB_LEN } from '../../core/skb/skb.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_EVENT_ACCEPT,
  SK_GENERATION,
  SK_NUM,
  SK_PROTOCOL,
  SK_RCVQ_LEN,
  SK_SADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
} from '../../core/socket/sock.ts'
import { TP_RCV_NXT } from '../../core/transport/tcp/sock/tcp-sock.ts'
import { ETH_P_ARP } from '../../core/wire/ethernet.ts'
import { IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import { TCP_RST } from '../../core/wire/tcp.ts'
import { ipText, tcpFrame, v4Words } from '../../sim/net/packets.ts'
import { seeded } from '../support/random.ts'
import { createSimHost } from '../../sim/net/sim-host.ts'

export const OWN_MAC = ['02:00:00:00:01:01', '02:00:00:00:02:01']
export const APP_PORT = 80
/** Peers .2 to .5 of each link have an address for good; those behind must be asked for. */
const KNOWN = [2, 3, 4, 5]
const MOST_SOCKETS = 60
const START_US = 1_000_000_000

export const peerMac = (link: number, host: number): string =>
  `02:00:00:00:0${link}:${host.toString(16).padStart(2, '0')}`

/** What became of a frame; each has exactly one. */
export const FATES = [
  'too short for Ethernet',
  'no handler for its type',
  'ARP',
  'for another host',
  'bad IP header',
  'truncated IP packet',
  'refused by routing',
  'source routed',
  'not forwarded',
  'forwarded',
  'fragment kept or refused',
  'delivered',
  "to nobody's group",
  'received as IPv6',
] as const
export const ARP_FATE = 2

const ROUTE_REASONS = [
  Drop.IP_RPFILTER,
  Drop.IP_INNOROUTES,
  Drop.IP_INADDRERRORS,
  Drop.IP_INVALID_SOURCE,
  Drop.IP_INVALID_DEST,
  Drop.IP_LOCALNET,
  Drop.IP_LOCAL_SOURCE,
]

export type Target = Awaited<ReturnType<typeof createTarget>>

export const createTarget = async (seed: number, more: Partial<ArenaConfig> = {}) => {
  const random = seeded(seed)
  let nowUs = START_US
  const links = [1, 2].map((n) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address: OWN_MAC[n - 1]!,
    mtu: n === 1 ? 1500 : 900,
    addresses: [`10.0.${n}.1/24`],
    up: true,
  }))
  const world = { nowUs: () => nowUs, random: seeded(seed + 1) }
  const host = await createSimHost(world, 'target', {
    config: more,
    services: { echo: true, discard: true, chargen: true },
    setup: {
      link: [{ ifname: 'lo', up: true }, ...links],
      route: [
        { dst: '10.1.0.0/16', gateway: '10.0.1.2' },
        { dst: '10.2.0.0/16', gateway: '10.0.2.200' },
        { dst: '10.3.0.0/16', type: 'blackhole' },
        { dst: '10.4.0.0/16', type: 'unreachable' },
        { dst: '10.5.0.0/16', type: 'prohibit' },
      ],
      neigh: [1, 2].flatMap((n) =>
        KNOWN.map((host) => ({
          dev: `eth${n}`,
          dst: `10.0.${n}.${host}`,
          lladdr: peerMac(n, host),
        }))
      ),
      // nobody here takes in what comes of trying an address
      sysctl: { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.default.accept_dad': 0 },
    },
  })
  const { arena, stack, turn, page } = host
  const { i32, u8, f64 } = arena
  const { skbs, sockets, slab } = stack
  const bank = counterBank(arena, 0)
  const drops = bank + DROP_COUNTERS
  const ifindex = [2, 3]
  let sent = 0
  /** The last frames sent, each cut to 128 bytes: what ICMP errors quote. */
  const echoes = Array.from({ length: 32 }, () => new Uint8Array(128))
  /** Takes what is sent off the wire. */
  const filter = (frame: Uint8Array): boolean => {
    echoes[sent++ & 31]!.set(frame.subarray(0, 128))
    return false
  }
  for (const dev of ifindex)
    host.wires[dev] = { wire: { options: { filter }, send: () => {} }, side: 0 }

  // ---- the application

  let owned: { sk: number; generation: number }[] = []
  const own = (sk: number): void => {
    if (sk > 0) owned.push({ sk, generation: i32[sk + SK_GENERATION]! })
  }
  const idle = sockets.registerHandler(() => {})
  const onAccept = sockets.registerHandler((sk, events) => {
    if ((events & SK_EVENT_ACCEPT) === 0) return
    for (let child = sockets.accept(sk); child > 0; child = sockets.accept(sk)) {
      sockets.attach(child, idle, 0)
      own(child)
    }
  })
  const listener = sockets.socket(AF_INET, SOCK_STREAM, 0)
  sockets.bind(listener, ...v4Words(0), APP_PORT)
  sockets.listen(listener, 8)
  sockets.attach(listener, onAccept, 0)
  const atRest = { skbs: skbs.available(), socks: slab.live() }

  const pick = (): number => {
    if (owned.length === 0) return 0
    const k = (random() >>> 0) % owned.length
    const { sk, generation } = owned[k]!
    if (sockets.isSame(sk, generation)) return sk
    owned[k] = owned[owned.length - 1]!
    owned.pop()
    return 0
  }
  const letGo = (sk: number, atOnce: boolean): void => {
    owned = owned.filter((entry) => entry.sk !== sk)
    // a socket that was shut down answers 0 for ever, so it is asked only for what is there
    for (let n = i32[sk + SK_RCVQ_LEN]!; n > 0; n--) sockets.recvfrom(sk, page, 65536)
    if (atOnce) sockets.abort(sk)
    else sockets.close(sk)
  }
  const peerOf = (link: number): number => (10 << 24) | (link << 8) | (2 + ((random() >>> 0) % 8))
  /** Something an application does. */
  const act = (): void => {
    const what = (random() >>> 0) % 12
    const link = 1 + (random() & 1)
    if (owned.length > MOST_SOCKETS) {
      const oldest = owned.shift()!
      if (sockets.isSame(oldest.sk, oldest.generation)) letGo(oldest.sk, (random() & 1) === 0)
      return
    }
    if (what === 0) {
      const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
      if (sk < 0) return
      sockets.attach(sk, idle, 0)
      const error = sockets.connect(sk, ...v4Words(peerOf(link)), 1 + ((random() >>> 0) % 9999))
      if (error === 0 || error === -Errno.EINPROGRESS) own(sk)
      else sockets.close(sk)
      return
    }
    if (what === 1) {
      const sk = sockets.socket(AF_INET, SOCK_DGRAM, 0)
      if (sk < 0) return
      sockets.attach(sk, idle, 0)
      if ((random() & 1) === 0) sockets.connect(sk, ...v4Words(peerOf(link)), 53)
      else sockets.bind(sk, ...v4Words(0), 2000 + ((random() >>> 0) % 4))
      return own(sk)
    }
    const sk = pick()
    if (sk === 0) return
    const n = 1 + ((random() >>> 0) % 20000)
    if (what < 5) sockets.sendmsg(sk, page, n, 0)
    else if (what < 8) sockets.recvmsg(sk, page, n)
    else if (what === 8) sockets.shutdown(sk, (random() >>> 0) % 3)
    else if (what === 9) sockets.sendto(sk, page, n, ...v4Words(peerOf(link)), 7)
    else if (what === 10) letGo(sk, false)
    else letGo(sk, (random() & 1) === 0)
  }

  // ---- frames and their fates

  const fates = new Float64Array(FATES.length)
  const rx = [0, 1, 2, 3].map((n) => deviceStats(arena, 0, n))
  let isArp = false
  let options = false
  /** The counters that tell fates, each frame adding one to exactly one of them. */
  const before = new Float64Array(FATES.length)
  const now = new Float64Array(FATES.length)
  const linkStat = (stat: number): number => f64[rx[2]! + stat]! + f64[rx[3]! + stat]!
  const read = (into: Float64Array): void => {
    into[0] = linkStat(DevStat.rx_length_errors)
    into[1] = linkStat(DevStat.rx_nohandler)
    into[3] = f64[drops + Drop.OTHERHOST]!
    into[4] = f64[bank + Mib.IpInHdrErrors]!
    into[5] = f64[bank + Mib.IpExtInTruncatedPkts]!
    let routed = 0
    for (let k = 0; k < ROUTE_REASONS.length; k++) routed += f64[drops + ROUTE_REASONS[k]!]!
    into[6] = routed
    into[7] = f64[drops + Drop.IP_INHDR]!
    into[8] = f64[drops + Drop.PKT_TOO_BIG]!
    into[9] = f64[bank + Mib.IpForwDatagrams]!
    into[10] = f64[bank + Mib.IpReasmReqds]! - f64[bank + Mib.IpReasmOKs]!
    into[11] = f64[bank + Mib.IpInDelivers]! + f64[bank + Mib.IpInUnknownProtos]!
    into[12] = f64[drops + Drop.NOT_SPECIFIED]!
    into[13] = f64[bank + Mib.Ip6InReceives]!
  }
  let failed = ''
  const settleFate = (): void => {
    const isIp = f64[bank + Mib.IpInReceives]! > receives
    // ARP has no counter of its own: its type is read from the frame
    now[ARP_FATE] = before[ARP_FATE]! + (isArp ? 1 : 0)
    if (isArp) now[3] = before[3]!
    // what was received as IP and then found to be for another link address was not forwarded
    if (isIp && now[3]! > before[3]!) {
      now[8] = now[8]! + 1
      now[3] = before[3]!
    }
    // an answer of our own may be too big for its way; a frame that came further was not refused for that
    if (now[9]! > before[9]! || now[11]! > before[11]!) now[8] = before[8]!
    // a source route is refused without a word in IpInHdrErrors; ICMP finds bad headers in what it quotes
    if (!options || now[4]! > before[4]! || now[11]! > before[11]!) now[7] = before[7]!
    // what was delivered, and is of no use where it was, has no better reason either
    if (!isIp || now[10]! > before[10]! || now[11]! > before[11]!) now[12] = before[12]!
    // the other counters tell IPv4's
    if (now[13]! > before[13]!) for (let k = 0; k < 13; k++) now[k] = before[k]!
    let count = 0
    for (let k = 0; k < FATES.length; k++) {
      const gained = now[k]! - before[k]!
      count += gained
      fates[k]! += gained
    }
    if (count !== 1 && failed === '') failed = `a frame has ${count} fates: ${fateNames()}`
  }
  const fateNames = (): string =>
    FATES.map((name, k) => `${now[k]! - before[k]!} ${name}`)
      .filter((text) => !text.startsWith('0 '))
      .join(', ') || 'none'

  /** Datagrams that super-frames became, beyond one a frame. */
  let udpExtra = 0
  let inbox = 0
  let receives = 0
  let injected = 0
  let igmpDelivered = 0
  stack.napiAdd(() => {
    if (inbox === 0) return 0
    const skb = inbox
    inbox = 0
    const at = i32[skb + SKB_DATA]!
    const len = i32[skb + SKB_LEN]!
    isArp = len >= 14 && ((u8[at + 12]! << 8) | u8[at + 13]!) === ETH_P_ARP
    options = len > 34 && (u8[at + 14]! & 15) > 5
    // IGMP has no counters
    const isIgmp = len >= 34 && u8[at + 12] === 8 && u8[at + 23] === IPPROTO_IGMP
    const delivers = f64[bank + Mib.IpInDelivers]!
    receives = f64[bank + Mib.IpInReceives]!
    injected++
    const isSuper = i32[skb + SKB_GSO_SIZE] !== 0
    if (isSuper) udpExtra += mib('IpInDelivers') - mib('IcmpInMsgs') - mib('TcpInSegs') - udp()
    read(before)
    stack.receiveFrame(skb)
    read(now)
    if (isIgmp && !isSuper) igmpDelivered += f64[bank + Mib.IpInDelivers]! - delivers
    settleFate()
    if (isSuper) udpExtra -= mib('IpInDelivers') - mib('IcmpInMsgs') - mib('TcpInSegs') - udp()
    return 1
  })
  /** Puts a frame in by link 0 or 1 and lets the stack run. */
  const inject = (skb: number, link: number): void => {
    i32[skb + SKB_DEV] = ifindex[link]!
    inbox = skb
    turn()
  }
  const advance = (us: number): void => {
    nowUs += us
  }

  /** Lets so much time pass. */
  const rest = (ms: number): void => {
    for (let k = 0; k < ms; k += 20) {
      advance(20_000)
      turn()
    }
  }
  /** Peers of connections that the services still hold reset them: nothing else would ever end those. */
  const resetAll = (): void => {
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (!slab.isLive(sk) || i32[sk + SK_PROTOCOL] !== IPPROTO_TCP || i32[sk + SK_DPORT] === 0)
        continue
      const ends = {
        saddr: ipText(i32[sk + SK_DADDR + 3]!),
        daddr: ipText(i32[sk + SK_SADDR + 3]!),
      }
      const link = ends.daddr.startsWith('10.0.2.') ? 1 : 0
      const frame = tcpFrame({ dst: OWN_MAC[link]!, src: peerMac(link + 1, 2) }, ends, {
        sport: i32[sk + SK_DPORT]!,
        dport: i32[sk + SK_NUM]!,
        seq: i32[sk + TP_RCV_NXT]!,
        flags: TCP_RST,
      })
      const skb = skbs.alloc(frame.length, RX_HEADROOM)
      u8.set(frame, skbs.put(skb, frame.length))
      inject(skb, link)
    }
  }
  /** Closes what the application holds, lets all timers run out; says what is missing. */
  const finish = (): string[] => {
    for (const { sk, generation } of [...owned]) if (sockets.isSame(sk, generation)) letGo(sk, true)
    // half-open requests, orphans and TIME_WAIT end by themselves; TCP's last retransmission is far
    rest(300_000)
    resetAll()
    rest(1_500_000)
    const problems: string[] = failed === '' ? [] : [failed]
    const left = skbs.available()
    const bounce =
      atRest.skbs.skbs - left.skbs === 1 && atRest.skbs.larges - left.larges === 1 ? 1 : 0
    if (left.skbs + bounce !== atRest.skbs.skbs)
      problems.push(`${atRest.skbs.skbs - left.skbs} skbs leaked`)
    if (left.smalls !== atRest.skbs.smalls)
      problems.push(`${atRest.skbs.smalls - left.smalls} small buffers leaked`)
    if (left.larges + bounce !== atRest.skbs.larges)
      problems.push(`${atRest.skbs.larges - left.larges} large buffers leaked`)
    if (slab.live() !== atRest.socks) problems.push(`${slab.live() - atRest.socks} sockets leaked`)
    // worker 0 keeps a timer for the neighbour table
    if (stack.wheel.count() !== 1) problems.push(`${stack.wheel.count() - 1} timers leaked`)
    return [...problems, ...identities()]
  }
  const mib = (name: keyof typeof Mib): number => f64[bank + Mib[name]]!
  /** Equations between counters that hold at any time. */
  const identities = (): string[] => {
    const problems: string[] = []
    const equal = (what: string, left: number, right: number): void => {
      if (left !== right) problems.push(`${what}: ${left} is not ${right}`)
    }
    equal(
      'injected = sum of fates',
      injected,
      fates.reduce((sum, n) => sum + n, 0)
    )
    equal(
      'IpInDelivers = IcmpInMsgs + IGMP + TcpInSegs + UDP',
      mib('IpInDelivers'),
      mib('IcmpInMsgs') + igmpDelivered + mib('TcpInSegs') + udp() - udpExtra
    )
    equal('IP_CSUM drops = IpExtInCsumErrors', f64[drops + Drop.IP_CSUM]!, mib('IpExtInCsumErrors'))
    equal(
      'ICMP_CSUM drops = IcmpInCsumErrors',
      f64[drops + Drop.ICMP_CSUM]!,
      mib('IcmpInCsumErrors')
    )
    equal('UDP_CSUM drops = UdpInCsumErrors', f64[drops + Drop.UDP_CSUM]!, mib('UdpInCsumErrors'))
    equal('TCP_CSUM drops = TcpInCsumErrors', f64[drops + Drop.TCP_CSUM]!, mib('TcpInCsumErrors'))
    return problems
  }
  /** Datagrams that were read, refused, or wait on a socket. */
  const udp = (): number => {
    let waiting = 0
    for (let k = 0; k < slab.rows; k++) {
      const sk = slab.at(k)
      if (slab.isLive(sk) && i32[sk + SK_PROTOCOL] === IPPROTO_UDP)
        waiting += i32[sk + SK_RCVQ_LEN]!
    }
    return (
      mib('UdpInDatagrams') +
      mib('UdpNoPorts') +
      mib('UdpInErrors') +
      mib('UdpIgnoredMulti') +
      waiting
    )
  }

  return {
    arena,
    stack,
    slab,
    echoes,
    fates,
    inject,
    advance,
    act,
    finish,
    identities,
    mib,
    dropped: (): [name: string, count: number][] =>
      Object.entries(Drop)
        .map(([name, reason]): [string, number] => [name, f64[drops + reason]!])
        .filter(([, n]) => n > 0),
    failed: (): string => failed,
    injected: (): number => injected,
    sent: (): number => sent,
  }
}
