// Frames for the fuzzer: valid ones of every protocol that a stack speaks (and some that it does not), aimed at what is
// alive in the target, then spoilt a little. All from one seed; nothing is allocated per frame.

import { putI32, putU16, u16 } from '../../core/base/bytes.ts'
import { checksum, pseudoSum } from '../../core/base/checksum.ts'
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  GSO_ECN,
  GSO_TCPV4,
  GSO_UDP_L4,
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
} from '../../core/skb/skb.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_NUM,
  SK_PROTOCOL,
  SK_SADDR,
  SK_STATE,
  TCP_LISTEN,
} from '../../core/socket/sock.ts'
import {
  TP_RCV_NXT,
  TP_RCV_WND,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_TS_RECENT,
} from '../../core/transport/tcp/sock/tcp-sock.ts'
import * as arp from '../../core/wire/arp.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as tcp from '../../core/wire/tcp.ts'
import { mac } from '../../sim/net/packets.ts'
import { seeded } from '../support/random.ts'
import { APP_PORT, OWN_MAC, peerMac, type Target } from './frame-target.ts'

const ETH = 14
const IP = 34
const LARGEST = 65000
const PORTS = [7, 9, 19, APP_PORT, 2000, 2001, 53, 443, 0, 65535]
const PROTOCOLS = [1, 6, 17, 2, 41, 47, 50, 132, 255, 0]
const BOUNDARIES = [0, 1, 7, 8, 0x7f, 0x80, 0xfe, 0xff]

export type Generator = ReturnType<typeof createGenerator>

export const createGenerator = (seed: number, target: Target) => {
  const { arena, slab, echoes, stack } = target
  const { i32, u8 } = arena
  const random = seeded(seed ^ 0x5eed)
  const below = (n: number): number => (random() >>> 0) % n
  const oneIn = (n: number): boolean => below(n) === 0
  const from = (list: readonly number[]): number => list[below(list.length)]!
  const f = new Uint8Array(LARGEST + 256)
  /** An earlier frame, for splices. */
  const other = new Uint8Array(2048)
  let otherLen = 0
  const own = OWN_MAC.map(mac)
  const peers = [1, 2].map((link) =>
    Array.from({ length: 10 }, (_, host) => mac(peerMac(link, host)))
  )
  let len = 0
  let link = 0
  const fill = (at: number, n: number): void => {
    for (let k = 0; k < n; k += 4) putI32(f, at + k, random())
  }
  const ownAddr = (): number => (10 << 24) | ((link + 1) << 8) | 1
  const peerAddr = (): number => (10 << 24) | ((link + 1) << 8) | (2 + below(8))

  const oddAddress = (): number => {
    switch (below(12)) {
      case 0:
        return 0
      case 1:
        return -1
      case 2:
        return (127 << 24) | 1
      case 3:
        return (224 << 24) | below(4)
      case 4:
        return (10 << 24) | ((1 + below(2)) << 8) | 255
      case 5:
        return (10 << 24) | ((1 + below(6)) << 16) | below(65536)
      case 6:
        return (10 << 24) | ((1 + below(2)) << 8) | below(256)
      case 7:
        return (10 << 24) | ((1 + below(2)) << 8) | 1
      default:
        return random()
    }
  }
  const macAt = (at: number, bytes: Uint8Array): void => {
    for (let k = 0; k < 6; k++) f[at + k] = bytes[k]!
  }
  const etherHeader = (type: number): void => {
    const kind = below(40)
    if (kind === 0) fill(0, 8)
    else if (kind === 1) f.fill(255, 0, 6)
    else if (kind === 2) {
      putI32(f, 0, 0x01005e00)
      putU16(f, 4, 1)
    } else macAt(0, own[link]!)
    macAt(6, peers[link]![2 + below(8)]!)
    putU16(f, 12, type)
  }
  /** Writes the headers of an IPv4 packet with `payload` bytes behind them; returns where those begin. */
  const ipHeader = (protocol: number, saddr: number, daddr: number, payload: number): number => {
    etherHeader(ethernet.ETH_P_IP)
    const optionLen = oneIn(20) ? below(11) * 4 : 0
    const headerLen = 20 + optionLen
    ipv4.init(f, ETH, protocol, saddr, daddr, headerLen + payload, oneIn(30) ? below(3) : 64)
    ipv4.setVersionIhl(f, ETH, headerLen)
    f[ETH + 1] = oneIn(4) ? below(256) : 0
    putU16(f, ETH + 4, below(64))
    putU16(f, ETH + 6, oneIn(12) ? ipv4.IP_DF : 0)
    if (optionLen > 0) ipOptions(IP, optionLen)
    ipv4.setChecksum(f, ETH)
    len = ETH + headerLen + payload
    return ETH + headerLen
  }
  const ipOptions = (at: number, room: number): void => {
    f.fill(1, at, at + room)
    const kind = from([0, 1, 7, 68, 131, 137, 148, 130, 255])
    f[at] = kind
    f[at + 1] = oneIn(4) ? below(50) : room
    f[at + 2] = from([4, 5, 8, 255])
  }

  const seal = (protocol: number, at: number): void => {
    const field = protocol === 6 ? 16 : protocol === 17 ? 6 : 2
    const n = len - at
    if (n < field + 2) return
    putU16(f, at + field, 0)
    if (protocol === 1) return putU16(f, at + 2, checksum(f, at, n))
    const pseudo = pseudoSum(f, ETH + ipv4.ADDRS, ipv4.ADDRS_LEN, protocol, n)
    let acc = pseudo
    for (let k = at; k + 1 < at + n; k += 2) acc += (f[k]! << 8) | f[k + 1]!
    if ((n & 1) !== 0) acc += f[at + n - 1]! << 8
    while (acc > 0xffff) acc = (acc >>> 16) + (acc & 0xffff)
    const sum = ~acc & 0xffff
    putU16(f, at + field, protocol === 17 && sum === 0 ? 0xffff : sum)
  }

  // ---- the protocols

  const makeArp = (): void => {
    etherHeader(ethernet.ETH_P_ARP)
    if (oneIn(2)) f.fill(255, 0, 6)
    arp.init(f, ETH, oneIn(10) ? below(12) : 1 + below(2))
    const known = peers[link]![2 + below(8)]!
    const hi = u16(known, 0)
    const sip = oneIn(8) ? oddAddress() : peerAddr()
    arp.setSender(f, ETH, hi, oneIn(4) ? random() : ethernet.macLo(known, 0), sip)
    arp.setTarget(f, ETH, oneIn(2) ? 0 : hi, 0, oneIn(6) ? oddAddress() : ownAddr())
    len = oneIn(2) ? 60 : 42
  }
  const someLen = (): number => {
    const kind = below(40)
    if (kind === 0) return 1500 + below(3000)
    if (kind < 3) return below(1473)
    if (kind < 10) return 64 + below(200)
    return below(48)
  }
  const destination = (): number => {
    if (!oneIn(4)) return ownAddr()
    return oneIn(2) ? (10 << 24) | ((2 - link) << 8) | (2 + below(8)) : oddAddress()
  }
  const source = (): number => (oneIn(12) ? oddAddress() : peerAddr())

  const makeUdp = (): void => {
    const n = someLen()
    const at = ipHeader(17, source(), destination(), 8 + n)
    fill(at, 8 + n)
    putU16(f, at, oneIn(8) ? from(PORTS) : 1024 + below(200))
    putU16(f, at + 2, from(PORTS))
    putU16(f, at + 4, 8 + n)
    if (oneIn(8)) putU16(f, at + 6, 0)
    else seal(17, at)
  }
  const makeEcho = (): void => {
    const n = someLen()
    const at = ipHeader(1, source(), destination(), 8 + n)
    fill(at, 8 + n)
    f[at] = oneIn(3) ? below(20) : 8
    f[at + 1] = oneIn(8) ? below(20) : 0
    seal(1, at)
  }
  /** An error about something that the target sent, or that it might have. */
  const makeIcmpError = (): void => {
    const echo = echoes[below(32)]!
    const n = 8 + Math.min(below(100) + 20, 114)
    const at = ipHeader(1, source(), ownAddr(), n)
    fill(at, 8)
    f[at] = from([3, 3, 3, 11, 12, 4, 5])
    f[at + 1] = below(oneIn(4) ? 256 : 6)
    if (f[at] === 3 && f[at + 1] === 4)
      putI32(f, at + 4, oneIn(3) ? below(65536) : from([68, 576, 1280, 1400]))
    for (let k = 8; k < n; k++) f[at + k] = echo[ETH + k - 8]!
    seal(1, at)
  }
  const makeFragment = (): void => {
    const n = oneIn(3) ? below(1480) : 8 * (1 + below(20))
    const protocol = from(PROTOCOLS)
    const at = ipHeader(protocol, peerAddr(), oneIn(6) ? destination() : ownAddr(), n)
    fill(at, n)
    const offset = oneIn(4) ? below(8192) : below(6) * (n >> 3)
    putU16(f, ETH + 4, below(8))
    putU16(f, ETH + 6, (oneIn(2) ? ipv4.IP_MF : 0) | offset)
    if (offset === 0 && protocol === 17) putU16(f, at + 2, 7)
    ipv4.setChecksum(f, ETH)
  }
  const makeSyn = (): void => {
    const opts = oneIn(3) ? 0 : 20
    const n = oneIn(10) ? below(100) : 0
    const at = ipHeader(6, peerAddr(), ownAddr(), 20 + opts + n)
    tcpHeader(at, 1024 + below(5000), from(PORTS), random(), 0, 20 + opts, tcp.TCP_SYN)
    if (oneIn(12)) f[at + 13] = below(256)
    if (opts > 0) synOptions(at + 20)
    fill(at + 20 + opts, n)
    seal(6, at)
  }
  const synOptions = (at: number): void => {
    f[at] = 2
    f[at + 1] = 4
    putU16(f, at + 2, oneIn(4) ? below(65536) : 1460)
    f[at + 4] = 4
    f[at + 5] = 2
    f[at + 6] = 8
    f[at + 7] = 10
    putI32(f, at + 8, below(100000))
    putI32(f, at + 12, 0)
    f[at + 16] = 1
    f[at + 17] = 3
    f[at + 18] = 3
    f[at + 19] = oneIn(4) ? below(256) : below(15)
  }
  const tcpHeader = (
    at: number,
    sport: number,
    dport: number,
    seq: number,
    ack: number,
    headerLen: number,
    flags: number
  ): void => {
    putU16(f, at, sport)
    putU16(f, at + 2, dport)
    putI32(f, at + 4, seq)
    putI32(f, at + 8, ack)
    tcp.setHeaderLenFlags(f, at, headerLen, flags)
    putU16(f, at + 14, oneIn(10) ? below(2) * below(65536) : 20000 + below(45000))
    putU16(f, at + 18, oneIn(30) ? below(65536) : 0)
  }
  const randomFlags = (): number => {
    const kind = below(20)
    if (kind < 11) return tcp.TCP_ACK
    if (kind < 13) return tcp.TCP_ACK | tcp.TCP_PSH
    if (kind === 13) return tcp.TCP_ACK | tcp.TCP_FIN
    if (kind === 14) return tcp.TCP_RST
    if (kind === 15) return tcp.TCP_RST | tcp.TCP_ACK
    if (kind === 16) return tcp.TCP_SYN
    if (kind < 19) return tcp.TCP_SYN | tcp.TCP_ACK
    return below(256)
  }
  const near = (value: number, span: number): number => {
    const kind = below(16)
    if (kind < 10) return value
    if (kind === 10) return (value + 1) | 0
    if (kind === 11) return (value - 1) | 0
    if (kind < 14) return (value + below(2 * span + 1) - span) | 0
    return kind === 14 ? (value + span) | 0 : random()
  }
  /** A segment for a connection that is alive, near what it expects. */
  const makeLive = (): void => {
    let sk = 0
    for (let tries = 0; tries < 8 && sk === 0; tries++) {
      const row = slab.at(below(slab.rows))
      if (!slab.isLive(row) || i32[row + SK_PROTOCOL] !== 6) continue
      if (i32[row + SK_STATE] !== TCP_LISTEN && i32[row + SK_DPORT] !== 0) sk = row
    }
    if (sk === 0) return makeSyn()
    const daddr = i32[sk + SK_SADDR + 3]!
    link = ((daddr >>> 8) & 3) === 2 ? 1 : 0
    const sacks = oneIn(8) ? 1 + below(3) : 0
    const stamp = !oneIn(6)
    const opts = (stamp ? 12 : 0) + (sacks > 0 ? 4 + 8 * sacks : 0)
    const n = oneIn(2) ? 0 : oneIn(20) ? below(9000) : below(1448)
    const at = ipHeader(6, i32[sk + SK_DADDR + 3]!, daddr, 20 + opts + n)
    const una = i32[sk + TP_SND_UNA]!
    const nxt = i32[sk + TP_SND_NXT]!
    const flight = (nxt - una) | 0
    const ack = oneIn(3) ? una : oneIn(3) ? (una + (flight > 0 ? below(flight) : 0)) | 0 : nxt
    tcpHeader(
      at,
      i32[sk + SK_DPORT]!,
      i32[sk + SK_NUM]!,
      near(i32[sk + TP_RCV_NXT]!, i32[sk + TP_RCV_WND]! & 0xffff),
      near(ack, flight & 0xffff),
      20 + opts,
      randomFlags()
    )
    let o = at + 20
    if (stamp) {
      f[o] = f[o + 1] = 1
      f[o + 2] = 8
      f[o + 3] = 10
      putI32(f, o + 4, oneIn(12) ? random() : (i32[sk + TP_TS_RECENT]! + below(3)) | 0)
      putI32(f, o + 8, oneIn(3) ? random() : 0)
      o += 12
    }
    if (sacks > 0) {
      f[o] = f[o + 1] = 1
      f[o + 2] = 5
      f[o + 3] = 2 + 8 * sacks
      for (let k = 0; k < sacks; k++) {
        const left = (una + (flight > 0 ? below(flight) : 0)) | 0
        putI32(f, o + 4 + 8 * k, near(left, 3000))
        putI32(f, o + 8 + 8 * k, (left + below(3000)) | 0)
      }
    }
    fill(at + 20 + opts, n)
    seal(6, at)
  }
  const makeStray = (): void => {
    const at = ipHeader(6, peerAddr(), destination(), 20)
    tcpHeader(at, below(65536), from(PORTS), random(), random(), 20, randomFlags())
    seal(6, at)
  }
  const makeOther = (): void => {
    const kind = below(5)
    if (kind === 0) {
      const n = below(100)
      const at = ipHeader(from(PROTOCOLS), source(), destination(), n)
      fill(at, n)
      return
    }
    etherHeader(kind === 1 ? 0x8100 : kind === 2 ? 0x86dd : kind === 3 ? below(65536) : below(1500))
    len = 14 + below(200)
    fill(14, len - 14)
    if (kind === 1) putU16(f, 16, ethernet.ETH_P_IP)
    if (kind === 2) f[14] = 0x60
  }

  // ---- spoiling

  const mutate = (): void => {
    const head = Math.min(len, 94)
    for (let times = 1 + below(3); times > 0; times--) {
      switch (below(10)) {
        case 0:
        case 1:
          f[below(len)]! ^= 1 << below(8)
          break
        case 2:
        case 3:
          f[ETH + below(Math.max(1, head - ETH))] = from(BOUNDARIES)
          break
        case 4:
          f[below(head)] = below(256)
          break
        case 5:
          len = below(len + 1)
          break
        case 6: {
          const n = below(64)
          fill(len, n)
          len = Math.min(LARGEST, len + n)
          break
        }
        case 7:
          putU16(f, ETH + 2, oneIn(2) ? below(65536) : Math.max(0, len - ETH + below(17) - 8))
          break
        case 8: {
          const at = below(Math.min(len, otherLen) + 1)
          for (let k = at; k < otherLen && k < len; k++) f[k] = other[k]!
          break
        }
        default:
          putU16(f, ETH + 6, below(65536))
      }
      if (len === 0) return
    }
  }
  /** Makes the sums right again, as far as there are any, so that what is wrong is found further in. */
  const repair = (): void => {
    if (len < IP || u16(f, 12) !== ethernet.ETH_P_IP) return
    const headerLen = (f[ETH]! & 15) << 2
    if (headerLen < 20 || ETH + headerLen > len) return
    ipv4.setChecksum(f, ETH)
    const protocol = f[ETH + 9]!
    const whole = len
    const total = u16(f, ETH + 2)
    if (total >= headerLen && ETH + total < len) len = ETH + total
    if (protocol === 1 || protocol === 6 || protocol === 17) seal(protocol, ETH + headerLen)
    len = whole
  }
  const remember = (): void => {
    otherLen = Math.min(len, other.length)
    for (let k = 0; k < otherLen; k++) other[k] = f[k]!
  }

  const make = (): void => {
    link = below(2)
    const kind = below(100)
    if (kind < 34) makeLive()
    else if (kind < 44) makeSyn()
    else if (kind < 60) makeUdp()
    else if (kind < 70) makeEcho()
    else if (kind < 78) makeIcmpError()
    else if (kind < 88) makeFragment()
    else if (kind < 92) makeArp()
    else if (kind < 95) makeStray()
    else makeOther()
    if (oneIn(64)) remember()
    if (below(10) < 6) return
    mutate()
    if (oneIn(2)) repair()
  }

  /** What a device may say of the frame: sums that were verified or are to be made, a super-frame. */
  const describe = (skb: number, at: number): void => {
    const kind = below(24)
    i32[skb + SKB_IP_SUMMED] = kind === 0 ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE
    if (kind !== 1 || len < 60) return
    const start = oneIn(4) ? below(len - 20) : IP
    const offset = oneIn(4) ? below(len - start - 2) : f[ETH + 9] === 6 ? 16 : 6
    if (start + offset + 2 > len) return
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_PARTIAL
    i32[skb + SKB_CSUM_START] = at + start
    i32[skb + SKB_CSUM_OFFSET] = offset
    if (oneIn(2)) return
    i32[skb + SKB_GSO_SIZE] = oneIn(8) ? 1 + below(65535) : 100 + below(1400)
    i32[skb + SKB_GSO_TYPE] = from([GSO_TCPV4, GSO_TCPV4, GSO_TCPV4 | GSO_ECN, GSO_UDP_L4, 4, 3])
    i32[skb + SKB_GSO_SEGS] = Math.ceil(len / i32[skb + SKB_GSO_SIZE]!)
  }

  /** The next frame as an skb, or 0 when the target has no memory; `link()` says by which link it comes. */
  const next = (): number => {
    make()
    const skb = stack.skbs.alloc(len, RX_HEADROOM)
    if (skb === 0) return 0
    const at = stack.skbs.put(skb, len)
    if (len > 256) u8.set(f.subarray(0, len), at)
    else for (let k = 0; k < len; k++) u8[at + k] = f[k]!
    describe(skb, at)
    return skb
  }
  return {
    next,
    link: (): number => link,
  }
}
