/**
 * The host that scripts are played against: a whole stack under virtual time (sim/net/path-host.ts) with one Ethernet,
 * behind which everybody is. Times are microseconds since its start.
 */
import { AF_INET, AF_INET6 } from '../core/base/family.ts'
import { DEV_TXQLEN, deviceRow } from '../core/netdev/netdev.ts'
import { GSO_TCPV4, GSO_TCPV6, SKB_GSO_SEGS, SKB_GSO_SIZE, SKB_GSO_TYPE } from '../core/skb/skb.ts'
import { G_GENERATION } from '../core/shm/layout.ts'
import { parseAddr } from '../core/wire/text.ts'
import { Sysctl } from '../core/shm/sysctl.ts'
import { etherFrame } from '../sim/net/packets.ts'
import { createPathHost } from '../sim/net/path-host.ts'
import { Unsupported } from './script.ts'

/** `mapped`: sockets of IPv6 with addresses of IPv4. */
export type Mode = 'ipv4' | 'ipv6' | 'mapped'

/** IPv6 has as much more MTU as its header is longer, so that a segment holds the same and scripts serve both. */
const NETS = {
  ipv4: {
    plen: 16,
    mtu: 1500,
    local: '192.168.0.1',
    gateway: '192.168.255.254',
    remote: '192.0.2.1',
    all: '0.0.0.0/0',
  },
  ipv6: {
    plen: 48,
    mtu: 1520,
    local: 'fd3d:a0b:17d6::1',
    gateway: 'fd3d:a0b:17d6:8888::1',
    remote: 'fd3d:fa7b:d17d::1',
    all: '::/0',
  },
}
const DEV = 2
const GATEWAY_MAC = '02:00:00:00:00:99'
const HOST_MAC = '02:00:00:00:00:02'
const ETHER = 14
const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd }
/** Room enough that tcp_rmem and tcp_wmem of scripts are the bound, not the pools. */
const CONFIG = { skbs: 16384, smallBuffers: 16384, largeBuffers: 2048 }

export type Host = ReturnType<typeof createHost>

/** What a script that asks for IPv6 itself has without more options. */
const OWN_IPV6 = { gateway: 'fd3d:fa7b:d17d:8888::', remote: '2001:db8::1' }

export const createHost = (given: Mode, options: ReadonlyMap<string, string>) => {
  const isOwn = options.get('ip_version') === 'ipv6'
  const mode = isOwn ? 'ipv6' : given
  const wire = mode === 'ipv6' ? 'ipv6' : 'ipv4'
  const net = isOwn ? { ...NETS.ipv6, ...OWN_IPV6 } : NETS[wire]
  const local = options.get('local_ip') ?? net.local
  const remote = options.get('remote_ip') ?? net.remote
  for (const address of [local, remote])
    if (address.includes(':') !== (wire === 'ipv6')) throw new Unsupported(`the address ${address}`)
  const path = createPathHost({ config: CONFIG })
  path.addDevice(DEV, { mac: HOST_MAC, mtu: Number(options.get('mtu') ?? net.mtu) })
  path.addAddress(DEV, `${local}/${net.plen}`)
  path.addRoute(net.all, DEV, { via: net.gateway })
  path.setNeigh(DEV, net.gateway, GATEWAY_MAC)
  path.sent.length = 0
  // scripts that set it know of it, the others were written before there was such a thing
  path.setSysctl(Sysctl.tcp_syn_linear_timeouts, 0)
  let now = 0

  /** Turns the clock to `end`, or to when something may be due before. */
  const step = (end: number): void => {
    const due = (Math.floor(now / 1000) + Math.max(1, path.first.nextDelay(1000))) * 1000
    const next = Math.max(now, Math.min(end, due))
    path.advanceUs(next - now)
    now = next
  }
  const receive = (packet: Uint8Array): void =>
    path.receive(etherFrame({ dst: HOST_MAC, src: GATEWAY_MAC }, ETHERTYPE[wire], packet), DEV)
  /** A super-frame of so many `segments` of `mss` octets, as a driver that merges them hands it over. */
  const receiveMerged = (packet: Uint8Array, mss: number, segments: number): void => {
    const { first, arena } = path
    const frame = etherFrame({ dst: HOST_MAC, src: GATEWAY_MAC }, ETHERTYPE[wire], packet)
    const skb = first.frameSkb(frame, DEV)
    arena.i32[skb + SKB_GSO_SIZE] = mss
    arena.i32[skb + SKB_GSO_SEGS] = segments
    arena.i32[skb + SKB_GSO_TYPE] = wire === 'ipv4' ? GSO_TCPV4 : GSO_TCPV6
    first.receive(skb)
    first.flush()
    path.settle()
  }
  /** The way to `to`, with metrics by RTAX_*; false when that is an address of the other family. */
  const setRoute = (to: string, via: string, metrics: number[]): boolean => {
    if (to.includes(':') !== (wire === 'ipv6')) return false
    path.addRoute(`${to}/${wire === 'ipv4' ? 32 : 128}`, DEV, { via, metrics })
    path.setNeigh(DEV, via, GATEWAY_MAC)
    // sockets look their routes up anew, as after control's publish
    path.arena.i32[G_GENERATION]!++
    path.settle()
    return true
  }
  let isPaced = false
  const setPaced = (): void => {
    isPaced = true
  }
  /** Whether the device's queue is full and none of what is in it leaves. */
  const setFull = (isFull: boolean): void => {
    const row = deviceRow(path.arena, DEV)
    path.wire.isBusy = isFull
    path.arena.i32[row + DEV_TXQLEN] = isFull ? 1 : 0
    if (isFull) path.first.xmit.devQueueXmit(path.first.frameSkb(new Uint8Array(ETHER), DEV))
    path.settle()
  }
  /** The IP packets that were sent since the last call. */
  const takeSent = (): Uint8Array[] =>
    path.sent
      .splice(0)
      .filter(
        ({ dev, frame }) => dev === DEV && ((frame[12]! << 8) | frame[13]!) === ETHERTYPE[wire]
      )
      .map(({ frame }) => frame.subarray(ETHER))

  return {
    path,
    stack: path.first,
    i32: path.arena.i32,
    family: wire === 'ipv4' ? AF_INET : AF_INET6,
    socketFamily: mode === 'ipv4' ? AF_INET : AF_INET6,
    local: Int32Array.from(parseAddr(local)!.words),
    remote: Int32Array.from(parseAddr(remote)!.words),
    localText: local,
    gateway: net.gateway,
    /** Files of zeros: how long each is. */
    disk: new Map<string, number>(),
    now: () => now,
    step,
    settle: path.settle,
    receive,
    receiveMerged,
    setFull,
    setPaced,
    isPaced: () => isPaced,
    setRoute,
    takeSent,
  }
}
