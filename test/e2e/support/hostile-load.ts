// A neighbour who means ill, and somebody who only wants to be served. Programs for the inside of a namespace:
//   bun hostile-load.ts attack ROUTER_MAC SECONDS RATE   everything that can make a router hold packets, RATE frames a second
//   bun hostile-load.ts visit URL SECONDS                a new connection every 100 ms; how many were answered
// Each prints one line of JSON. The attacker writes frames to eth0 as a host of its own, 10.0.1.66.

import { monotonicUs } from '../../../workers/os/clock.ts'
import { block, libc } from '../../../workers/os/libc.ts'
import { openPacket } from '../../../workers/os/packet.ts'
import * as arp from '../../../core/wire/arp.ts'
import * as ethernet from '../../../core/wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../core/wire/ipv4.ts'
import * as tcp from '../../../core/wire/tcp.ts'
import { arpFrame, ip, ipFrame, tcpFrame, udpFrame } from '../../../sim/net/packets.ts'

export type Attacked = Record<string, number>
export type Visited = { tried: number; answered: number; slowestMs: number; failures: string[] }

const ME = '10.0.1.66'
const MY_MAC = '02:00:00:00:00:66'
const ROUTER = '10.0.1.254'
const VNET_HDR = 10
/** Connections that never read, kept at a time; the oldest is let go of for a new one. */
const SLOW_READERS = 1200
const OFO_CONNECTIONS = 24

const createAttacker = (routerMac: string) => {
  const { fd } = openPacket({ ifname: 'eth0' })
  const out = block(2048)
  const into = block(70_000)
  const sent: Attacked = {}
  const link = { dst: routerMac, src: MY_MAC }
  const write = (what: string, frame: Uint8Array): void => {
    out.bytes.fill(0, 0, VNET_HDR)
    out.bytes.set(frame, VNET_HDR)
    if (libc.write(fd, out.at, VNET_HDR + frame.length) > 0) sent[what] = (sent[what] ?? 0) + 1
  }
  const segment = (
    what: string,
    sport: number,
    dport: number,
    fields: { seq: number; ack?: number; flags: number; window?: number },
    data?: Uint8Array
  ): void =>
    write(what, tcpFrame(link, { saddr: ME, daddr: ROUTER }, { sport, dport, ...fields }, data))

  // Connections, by our port: what we do with one once it is open.
  type Peer = { port: number; dport: number; ack: number; next: number }
  const opened: Record<'ofo' | 'slow', Peer[]> = { ofo: [], slow: [] }
  const waiting = new Map<number, 'ofo' | 'slow'>()
  let port = 10_000
  const open = (kind: 'ofo' | 'slow', dport: number, window: number): void => {
    port = port === 60_000 ? 10_000 : port + 1
    waiting.set(port, kind)
    segment(kind, port, dport, { seq: 999, flags: tcp.TCP_SYN, window })
  }
  const established = (frame: Uint8Array, th: number): void => {
    const own = tcp.dstPort(frame, th)
    const kind = waiting.get(own)
    if (kind === undefined || (tcp.flags(frame, th) & tcp.TCP_SYN) === 0) return
    waiting.delete(own)
    const dport = tcp.srcPort(frame, th)
    const ack = (tcp.seq(frame, th) + 1) | 0
    const window = kind === 'slow' ? 3000 : 65535
    segment(kind, own, dport, { seq: 1000, ack, flags: tcp.TCP_ACK, window })
    opened[kind].push({ port: own, dport, ack, next: 1002 })
    if (kind === 'ofo' || opened.slow.length <= SLOW_READERS) return
    const oldest = opened.slow.shift()!
    segment('reset', oldest.port, oldest.dport, { seq: 1000, flags: tcp.TCP_RST })
  }
  const answerArp = (frame: Uint8Array): void => {
    const at = ethernet.ETH_HLEN
    if (arp.operation(frame, at) !== arp.ARPOP_REQUEST || arp.targetIp(frame, at) !== ip(ME)) return
    const fields = { op: arp.ARPOP_REPLY, sha: MY_MAC, sip: ME, tha: routerMac, tip: ROUTER }
    write('arp', arpFrame(link, fields))
  }
  const listen = (): void => {
    for (let n = 0; n < 500; n++) {
      const length = libc.read(fd, into.at, 70_000)
      if (length <= VNET_HDR) return
      const frame = into.bytes.subarray(VNET_HDR, length)
      const type = ethernet.type(frame, 0)
      if (type === ethernet.ETH_P_ARP) answerArp(frame)
      if (type !== ethernet.ETH_P_IP || ipv4.dst(frame, 14) !== ip(ME)) continue
      if (ipv4.protocol(frame, 14) !== IPPROTO_TCP) continue
      established(frame, 14 + ipv4.headerLen(frame, 14))
    }
  }

  const octet = Uint8Array.of(120)
  const kilobyte = new Uint8Array(1000)
  let turn = 0
  let round = 0
  const attacks: (() => void)[] = [
    // one octet in every second place of the window
    () => {
      const peer = opened.ofo[round % OFO_CONNECTIONS]
      if (peer === undefined) return open('ofo', 9, 65535)
      const { port: sport, ack } = peer
      segment('octet', sport, 9, { seq: peer.next, ack, flags: tcp.TCP_ACK }, octet)
      peer.next = peer.next > 60_000 ? 1002 : peer.next + 2
    },
    // datagrams that are never whole
    () => {
      const fields = { saddr: ME, daddr: ROUTER, protocol: IPPROTO_UDP, flags: ipv4.IP_MF }
      const place = { id: (round >> 3) & 0xffff, offset: (round & 7) << 6 }
      write('fragment', ipFrame(link, { ...fields, ...place }, new Uint8Array(64)))
    },
    // next hops that nobody is
    () => {
      const fields = { saddr: ME, daddr: `10.0.2.${2 + (round % 250)}` }
      write('scan', udpFrame(link, fields, { sport: 5, dport: 9 }, kilobyte))
    },
    // SYNs that nobody follows
    () => {
      const fields = { seq: round, flags: tcp.TCP_SYN }
      segment('syn', 1024 + (round % 8000), 80, fields)
    },
    // datagrams that echo has to answer, and one that it must not
    () => {
      const ports = { sport: 6, dport: round % 2 === 0 ? 7 : 19 }
      write('udp', udpFrame(link, { saddr: ME, daddr: ROUTER }, ports, kilobyte))
    },
    // peers that ask and do not read
    () => {
      if (round % 8 === 0) return open('slow', round % 16 === 0 ? 19 : 7, 3000)
      const peer = opened.slow[round % Math.max(1, opened.slow.length)]
      if (peer === undefined || peer.dport !== 7) return
      const fields = { seq: 1000, ack: peer.ack, flags: tcp.TCP_ACK, window: 3000 }
      segment('ask', peer.port, 7, fields, kilobyte)
    },
  ]
  const step = (): void => {
    attacks[turn % attacks.length]!()
    turn++
    if (turn % attacks.length === 0) round++
  }
  /** Lets go of everything, so that what is held can be seen to come back. */
  const leave = (): void => {
    for (const { port: sport, dport } of [...opened.ofo, ...opened.slow])
      for (const seq of [1000, 2000, 3000, 4000])
        segment('reset', sport, dport, { seq, flags: tcp.TCP_RST })
  }
  return { step, listen, leave, sent }
}

const attack = (routerMac: string, seconds: number, rate: number): Attacked => {
  const attacker = createAttacker(routerMac)
  const start = monotonicUs()
  let done = 0
  for (;;) {
    const elapsed = monotonicUs() - start
    if (elapsed > seconds * 1e6) break
    attacker.listen()
    const due = Math.min(done + 200, Math.floor((elapsed * rate) / 1e6))
    for (; done < due; done++) attacker.step()
    libc.poll(0, 0, 5)
  }
  attacker.leave()
  return attacker.sent
}

const visit = async (url: string, seconds: number): Promise<Visited> => {
  const result: Visited = { tried: 0, answered: 0, slowestMs: 0, failures: [] }
  const deadline = performance.now() + seconds * 1000
  while (performance.now() < deadline) {
    const begun = performance.now()
    result.tried++
    try {
      const signal = AbortSignal.timeout(5000)
      const response = await fetch(url, { signal, headers: { connection: 'close' } })
      await response.text()
      if (response.ok) result.answered++
    } catch (error) {
      result.failures.push((error as Error).name)
    }
    const tookMs = performance.now() - begun
    result.slowestMs = Math.max(result.slowestMs, tookMs)
    await Bun.sleep(Math.max(0, 100 - tookMs))
  }
  return result
}

if (import.meta.main) {
  const [verb, first = '', seconds = '', rate = ''] = process.argv.slice(2)
  const result =
    verb === 'attack'
      ? attack(first, Number(seconds), Number(rate))
      : await visit(first, Number(seconds))
  console.log(JSON.stringify(result))
}
