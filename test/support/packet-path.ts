// The packet's path of one host under test, worker by worker, in one thread and under virtual time: link, neighbours, IP,
// ICMP and UDP wired as core/stack.ts wires them, over devices that record what is sent. Frames go in with
// `receive`, time goes on with `advance`, and what the host sent lies in `sent`.

import { createFlowi, type Flowi } from '../../core/base/flowi.ts'
import { createTime, setTime } from '../../core/base/time.ts'
import { createTimerWheel } from '../../core/base/timer-wheel.ts'
import { createAddrType } from '../../core/inet/addr-type.ts'
import { createFibReader } from '../../core/inet/fib.ts'
import { createFibWriter } from '../../core/inet/fib-writer.ts'
import { createIcmp } from '../../core/ipv4/icmp.ts'
import {
  createInetProtos,
  type ErrorHandler,
  type ProtoHandler,
} from '../../core/inet/inet-protos.ts'
import { createIpForward } from '../../core/ipv4/ip-forward.ts'
import { createIpDefrag } from '../../core/ipv4/ip-fragment.ts'
import { createIpFragmentation } from '../../core/ipv4/ip-fragmentation.ts'
import { createIpIdent } from '../../core/ipv4/ip-ident.ts'
import { createIpInput } from '../../core/ipv4/ip-input.ts'
import { createIpOptions } from '../../core/ipv4/ip-options.ts'
import { createIpOutput } from '../../core/ipv4/ip-output.ts'
import { createNexthops } from '../../core/inet/nexthop.ts'
import * as nexthop from '../../core/inet/nexthop-constants.ts'
import { createNfHooks } from '../../core/netfilter/hooks.ts'
import { createPmtu } from '../../core/inet/pmtu.ts'
import { createSkDst } from '../../core/inet/sk-dst.ts'
import { byFamily } from '../../core/inet/af-ops.ts'
import { createAfInet } from '../../core/ipv4/af-inet.ts'
import { createAfInet6 } from '../../core/ipv6/af-inet6.ts'
import { createRoute } from '../../core/inet/route.ts'
import { createDevQueueXmit } from '../../core/dev/dev-queue-xmit.ts'
import { createNetem } from '../../core/sched/netem.ts'
import { createEthTypeTrans } from '../../core/dev/eth-type-trans.ts'
import { createEtherOutput } from '../../core/dev/ether-output.ts'
import { createPtype } from '../../core/dev/ptype.ts'
import { createReceive } from '../../core/dev/receive.ts'
import { createArp } from '../../core/ipv4/arp.ts'
import * as neigh from '../../core/neigh/neigh-constants.ts'
import { createNeighOutput } from '../../core/neigh/neigh-output.ts'
import { createNeighTable } from '../../core/neigh/neigh-table.ts'
import { createNeighbour } from '../../core/neigh/neighbour.ts'
import * as netdev from '../../core/netdev/netdev.ts'
import { createArena, type Arena } from '../../core/shm/arena.ts'
import { counterBank } from '../../core/shm/counters.ts'
import { createIpi, Ipi } from '../../core/shm/ipi.ts'
import {
  DEVICE_WORDS,
  SCRATCH_WORDS,
  SMALL_ARENA,
  type ArenaConfig,
} from '../../core/shm/layout.ts'
import { setSysctlDefaults } from '../../core/shm/sysctl.ts'
import { createDrop, DROP_COUNTERS } from '../../core/skb/drop.ts'
import {
  CHECKSUM_NONE,
  createSkbs,
  RX_HEADROOM,
  SKB_DATA,
  SKB_DEV,
  SKB_DST,
  SKB_IP_SUMMED,
  SKB_LEN,
  SKB_SK,
} from '../../core/skb/skb.ts'
import { sockSlab } from '../../core/socket/sock.ts'
import { createPorts } from '../../core/transport/ports.ts'
import { createUdpHash } from '../../core/transport/udp/udp-hash.ts'
import { createUdpInput } from '../../core/transport/udp/udp-input.ts'
import { createUdpOutput } from '../../core/transport/udp/udp-output.ts'
import { createUdpSock } from '../../core/transport/udp/udp-sock.ts'
import { IPPROTO_ICMP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import { ETH_P_ARP, ETH_P_IP } from '../../core/wire/ethernet.ts'
import { ip, mac } from './packets.ts'
import { disturb } from './restless-buffers.ts'

const START_US = 1_000_000_000
/** Kinds of its devices: one that records what is sent, and lo. */
const CAPTURE = 0
const LOOPBACK = 1
export const V4 = 0xffff

export type Sent = {
  dev: number
  frame: Uint8Array
  worker: number
  gsoSize: number
  ipSummed: number
}
export type DeviceOptions = {
  mac?: string
  mtu?: number
  flags?: number
  features?: number
  gsoMax?: number
  kind?: number
}

/** Numbers that look random and are the same each time. */
export const seeded = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state ^ (state >>> 15)
  }
}

/** One worker's layers. */
const createWorker = (arena: Arena, thread: number, host: HostState) => {
  const { i32, layout } = arena
  const { sent, time, random } = host
  let scratch = layout.scratch + thread * SCRATCH_WORDS
  const words = (n: number): number => (scratch += n) - n
  const wheel = createTimerWheel(i32, layout.wheels + thread * 768, time)
  const skbs = createSkbs(arena, thread)
  const { drop, consume } = createDrop(arena, skbs)
  const ipi = createIpi(arena, thread, () => {})
  /** Frames that this worker put on a backlog of its own. */
  const backlog: number[] = []
  const netifRx = (skb: number): boolean => backlog.push(skb) > 0
  const steered: { worker: number; skb: number }[] = []

  const capture = (skb: number, dev: number): number => {
    if (host.busy) return netdev.NETDEV_TX_BUSY
    const at = i32[skb + SKB_DATA]!
    const frame = new Uint8Array(i32[skb + SKB_LEN]!)
    const to = skbs.alloc(frame.length, 0)
    skbs.copyBits(skb, 0, i32[to + SKB_DATA]!, frame.length)
    frame.set(arena.u8.subarray(i32[to + SKB_DATA]!, i32[to + SKB_DATA]! + frame.length))
    skbs.free(to)
    void at
    sent.push({
      dev: i32[dev]!,
      frame,
      worker: thread,
      gsoSize: i32[skb + 12]!,
      ipSummed: i32[skb + SKB_IP_SUMMED]!,
    })
    consume(skb)
    return netdev.NETDEV_TX_OK
  }
  const lo = (skb: number): number => {
    skbs.unshare(skb)
    i32[skb + SKB_DST] = 0
    i32[skb + SKB_SK] = 0
    netifRx(skb)
    return netdev.NETDEV_TX_OK
  }
  const drivers = [capture, lo]

  const ptype = createPtype({ arena, skbs, drop })
  const { receive: receiveSkb } = createReceive({
    arena,
    skbs,
    ...createEthTypeTrans({ arena, skbs, drop }),
    ptype,
    record: () => {},
    flushBacklogs: () => {},
  })
  const ether = createEtherOutput({ arena, skbs })
  const timer = words(4)
  const xmit = createDevQueueXmit({
    arena,
    skbs,
    drop,
    consume,
    time,
    wheel,
    random,
    netemOf: (transmit, checksumHelp) =>
      createNetem({ arena, skbs, drop, time, wheel, random, timer, transmit, checksumHelp }),
    drivers,
    ptype,
  })
  const { devQueueXmit } = xmit
  const fib = createFibReader(arena, netdev.INIT_NET)
  const route = createRoute({ arena, fib })
  const { addrType, isLocalAddress } = createAddrType(arena, fib)
  const table = createNeighTable(arena)
  const late = {
    linkFailure: (_skb: number): void => {},
    icmpSend: (_s: number, _t: number, _c: number, _i: number): void => {},
  }
  const icmpSend = (skb: number, type: number, code: number, info: number): void =>
    late.icmpSend(skb, type, code, info)
  const neighOutput = createNeighOutput({
    arena,
    skbs,
    drop,
    time,
    wheel,
    ipi,
    table,
    timer: words(4),
    key: words(4),
    pushHh: ether.pushHh,
    popHeader: ether.popHeader,
    devQueueXmit,
    linkFailure: (skb) => late.linkFailure(skb),
  })
  const neighbour =
    thread === 0
      ? createNeighbour({
          arena,
          time,
          wheel,
          ipi,
          table,
          random,
          timer: words(4),
          key: words(4),
          notify: (row, isGone) =>
            void host.notified.push({ row, isGone, state: i32[row + neigh.NEIGH_STATE]! }),
        })
      : null
  const arp = createArp({
    arena,
    skbs,
    drop,
    consume,
    time,
    table,
    neighbour,
    isLocalAddress,
    ethHeader: ether.ethHeader,
    devQueueXmit,
    key: words(4),
    steerTo: (worker, skb) => void steered.push({ worker, skb }),
    selectSource: (dev) => host.addressOf(dev),
  })
  neighbour?.registerOps('v4', { ethertype: ETH_P_IP, solicit: arp.arpSolicit })

  const options = createIpOptions({ arena, skbs, time, isLocalAddress, scratch: words(10) })
  const nf = createNfHooks({ arena, skbs, drop, netOf: () => 0 })
  disturb(arena, skbs, nf)
  const protos = createInetProtos()
  const pmtu = createPmtu({
    time,
    random,
    routeOutput: route.routeOutput,
    tellOthers: (words, at, mtu) => void host.mtus.push({ addr: words[at + 3]!, mtu }),
  })
  const { routeOutput, updatePmtu, pmtuSerial } = pmtu
  const skDst = createSkDst({ arena, time, routeOutput, pmtuSerial })
  const fragmentation = createIpFragmentation({ arena, skbs, drop, consume })
  const output = createIpOutput({
    arena,
    skbs,
    drop,
    nf,
    routeInput: route.routeInput,
    routeOutput,
    skDst,
    fragmentation,
    gso: xmit.gso,
    ipSelectIdent: createIpIdent(thread, layout.config.workers, random).ipSelectIdent,
    neighResolve: neighOutput.neighResolve,
    neighConfirm: neighOutput.neighConfirm,
    ethHeader: ether.ethHeader,
    ethHeaderSelf: ether.ethHeaderSelf,
    devQueueXmit,
    netifRx,
    key: words(4),
  })
  const { icmpRcv, icmpErr, ...errors } = createIcmp({
    arena,
    skbs,
    drop,
    consume,
    time,
    protos,
    updatePmtu,
    routeOutput,
    ipSend: output.ipSend,
    isLocalAddress,
    pingRcv: (skb) => {
      host.pings++
      consume(skb)
    },
    echoOptions: options.echo,
  })
  late.icmpSend = errors.icmpSend
  late.linkFailure = errors.linkFailure
  const { ipForward } = createIpForward({
    arena,
    skbs,
    drop,
    nf,
    networkSegLen: xmit.gso.networkSegLen,
    ipOutput: output.ipOutput,
    routeMeHarder: output.routeMeHarder,
    sendRedirect: () => {},
    options,
    selectSource: (dev) => host.addressOf(dev),
    icmpSend,
  })
  const { ipDefrag, fragmentsHeld } = createIpDefrag({
    arena,
    skbs,
    drop,
    consume,
    time,
    wheel,
    random,
    timer: words(4),
    icmpSend,
  })
  const input = createIpInput({
    arena,
    skbs,
    drop,
    consume,
    nf,
    protos,
    routeInput: route.routeInput,
    isLocalAddress,
    ipForward,
    ipDefrag,
    steerAgain: (skb) => host.steerAgain(skb),
    options,
    selectSource: (dev) => host.addressOf(dev),
    icmpSend,
    rawDeliver: () => false,
  })

  const afOps = byFamily(createAfInet({ arena, output, icmpSend }), createAfInet6({ drop }))
  const slab = sockSlab(arena, thread, true)
  const ports = createPorts(i32)
  const udpTable = createUdpHash(i32, ports, random())
  const udpIn = createUdpInput({
    arena,
    skbs,
    drop,
    table: udpTable,
    loadAddrs: output.loadAddrs,
    segment: xmit.gso.segment,
    afOps,
    updatePmtu,
    passOn: () => false,
    sockEvents: (sk, events) => void host.events.push({ sk, events }),
  })
  const udpOut = createUdpOutput({
    arena,
    skbs,
    routeOutput,
    afOps,
  })
  const udpSock = createUdpSock({
    arena,
    skbs,
    consume,
    slab,
    time,
    random,
    ports,
    table: udpTable,
    output: udpOut,
    sockEvents: (sk, events) => void host.events.push({ sk, events }),
    addrType,
    hashesHome: () => true,
    owned: { add: () => {}, remove: () => {} },
  })
  protos.inetAddProtocol(IPPROTO_ICMP, icmpRcv, icmpErr)
  protos.inetAddProtocol(IPPROTO_UDP, udpIn.udpRcv, udpIn.udpErr)
  for (const [protocol, handler, error] of host.protocols)
    protos.inetAddProtocol(protocol, handler(skbs), error)
  ptype.devAddPack(ETH_P_IP, input.ipRcv, input.ipResume)
  ptype.devAddPack(ETH_P_ARP, arp.arpRcv)
  protos.freeze()

  /** Puts a frame into an skb as a driver would. */
  const frameSkb = (frame: Uint8Array, dev: number, ipSummed = CHECKSUM_NONE): number => {
    const skb = skbs.alloc(frame.length, RX_HEADROOM)
    arena.u8.set(frame, skbs.put(skb, frame.length))
    i32[skb + SKB_DEV] = dev
    i32[skb + SKB_IP_SUMMED] = ipSummed
    return skb
  }
  const turn = (): void => {
    nf.publish()
    ipi.run()
    for (let skb = backlog.shift(); skb !== undefined; skb = backlog.shift()) receiveSkb(skb)
    wheel.advance()
    xmit.netTxAction()
    skbs.flush()
    skbs.reclaim()
  }
  return {
    thread,
    skbs,
    drop,
    consume,
    ipi,
    wheel,
    ptype,
    ether,
    xmit,
    route,
    table,
    neighOutput,
    neighbour,
    arp,
    nf,
    pmtu,
    skDst,
    output,
    ...errors,
    fragmentsHeld,
    slab,
    udpSock,
    udpIn,
    udpOut,
    receiveSkb,
    frameSkb,
    turn,
    steered,
    backlog,
    words,
  }
}
export type PathWorker = ReturnType<typeof createWorker>

type HostState = {
  sent: Sent[]
  time: Int32Array
  random: () => number
  busy: boolean
  pings: number
  mtus: { addr: number; mtu: number }[]
  events: { sk: number; events: number }[]
  notified: { row: number; isGone: boolean; state: number }[]
  protocols: [
    protocol: number,
    handler: (skbs: PathWorker['skbs']) => ProtoHandler,
    error?: ErrorHandler,
  ][]
  addressOf: (dev: number) => number
  steerAgain: (skb: number) => boolean
}

export type PathOptions = {
  config?: Partial<ArenaConfig>
  seed?: number
  protocols?: HostState['protocols']
}

/** A host with lo (ifindex 1); devices, addresses and routes are added with the calls it answers. */
export const createPacketPath = ({ config = {}, seed = 1, protocols = [] }: PathOptions = {}) => {
  const arena = createArena({ ...SMALL_ARENA, ...config })
  const { i32, u8, f64, layout } = arena
  setSysctlDefaults(arena)
  const time = createTime()
  let nowUs = START_US
  setTime(time, nowUs)
  const addresses = new Map<number, number>()
  const host: HostState = {
    sent: [],
    time,
    random: seeded(seed),
    busy: false,
    pings: 0,
    mtus: [],
    events: [],
    notified: [],
    protocols,
    addressOf: (dev) => addresses.get(dev) ?? 0,
    steerAgain: () => false,
  }
  const deviceRow = (dev: number): number => layout.devices + dev * DEVICE_WORDS
  const addDevice = (dev: number, options: DeviceOptions = {}): void => {
    const row = deviceRow(dev)
    i32[row + netdev.DEV_IFINDEX] = dev
    i32[row + netdev.DEV_FLAGS] =
      options.flags ?? netdev.IFF_UP | netdev.IFF_BROADCAST | netdev.IFF_MULTICAST
    i32[row + netdev.DEV_MTU] = options.mtu ?? 1500
    i32[row + netdev.DEV_KIND] = options.kind ?? CAPTURE
    i32[row + netdev.DEV_FEATURES] = options.features ?? 0
    i32[row + netdev.DEV_GSO_MAX] = options.gsoMax ?? 65536
    i32[row + netdev.DEV_TXQLEN] = 100
    u8.set(mac(options.mac ?? `02:00:00:00:00:0${dev}`), (row + netdev.DEV_MAC) << 2)
  }
  addDevice(1, {
    kind: LOOPBACK,
    flags: netdev.IFF_UP | netdev.IFF_LOOPBACK,
    mtu: 65536,
    mac: '00:00:00:00:00:00',
  })

  const retire = (reclaim: () => void): void => reclaim()
  const nexthops = createNexthops({ arena, retire, reclaim: () => {} })
  const fib = createFibWriter({ arena, retire, reclaim: () => {} })
  fib.addNet(netdev.INIT_NET)
  const addRoute = (
    prefix: string,
    dev: number,
    options: { type?: number; via?: string; table?: number; mtu?: number; prefsrc?: string } = {}
  ): void => {
    const [addr, plen] = prefix.split('/')
    const words = new Int32Array(32)
    words[nexthop.NH_TYPE] = options.type ?? 1
    words[nexthop.NH_DEV] = dev
    words[nexthop.NH_MTU] = options.mtu ?? 0
    words[nexthop.NH_SCOPE] = options.via === undefined ? 253 : 0
    if (options.prefsrc !== undefined)
      words.set([0, 0, V4, ip(options.prefsrc)], nexthop.NH_PREFSRC)
    if (options.via !== undefined) {
      words[nexthop.NH_FAMILY] = 2
      words.set([0, 0, V4, ip(options.via)], nexthop.NH_GATEWAY)
    }
    fib.insert(
      netdev.INIT_NET,
      2,
      options.table ?? nexthop.RT_TABLE_MAIN,
      [0, 0, V4, ip(addr!)],
      Number(plen),
      nexthops.intern(words)
    )
  }
  /** An address with what it brings: its local route, its network, its broadcast address. */
  const addAddress = (dev: number, prefix: string): void => {
    const [addr, len] = prefix.split('/')
    const plen = Number(len)
    if (!addresses.has(dev)) addresses.set(dev, ip(addr!))
    const mask = plen === 0 ? 0 : -1 << (32 - plen)
    const text = (a: number): string =>
      [a >>> 24, (a >>> 16) & 255, (a >>> 8) & 255, a & 255].join('.')
    addRoute(`${addr}/32`, dev, { type: 2, table: nexthop.RT_TABLE_LOCAL, prefsrc: addr })
    if (plen === 32) return
    addRoute(`${text(ip(addr!) & mask)}/${plen}`, dev, { prefsrc: addr })
    addRoute(`${text(ip(addr!) | ~mask)}/32`, dev, {
      type: 3,
      table: nexthop.RT_TABLE_LOCAL,
      prefsrc: addr,
    })
  }

  const workers = Array.from({ length: layout.config.workers }, (_, w) =>
    createWorker(arena, w, host)
  )
  const first = workers[0]!
  const control = createIpi(arena, layout.controlThread, () => {})
  const replies: number[] = []
  control.on(Ipi.REPLY, (_from, _request, result) => void replies.push(result))

  /** One turn of every worker's loop, twice, so that calls between them are answered. */
  const settle = (): void => {
    for (let round = 0; round < 3; round++) for (const worker of workers) worker.turn()
    control.run()
  }
  /** Turns the clock by hand, a millisecond at a time as the wheel does. */
  const advance = (ms: number): void => {
    for (let k = 0; k < ms; k++) {
      nowUs += 1000
      setTime(time, nowUs)
      settle()
    }
  }
  const advanceUs = (us: number): void => {
    nowUs += us
    setTime(time, nowUs)
    settle()
  }
  /** A frame comes in on a device. */
  const receive = (frame: Uint8Array, dev: number, worker = first): void => {
    worker.receiveSkb(worker.frameSkb(frame, dev))
    settle()
  }

  // ---- neighbours, as control sees and sets them
  const neighRow = (dev: number, addr: string): number => {
    for (let n = 1; n < layout.config.neighbours; n++) {
      const row = first.table.rowAt(n)
      if (i32[row + neigh.NEIGH_IFINDEX] === dev && i32[row + neigh.NEIGH_ADDR + 3] === ip(addr))
        return row
    }
    return 0
  }
  const neighState = (dev: number, addr: string): number => {
    const row = neighRow(dev, addr)
    return row === 0 ? -1 : i32[row + neigh.NEIGH_STATE]!
  }
  const neighMac = (dev: number, addr: string): string => {
    const at = (neighRow(dev, addr) << 2) + neigh.NEIGH_LLADDR_BYTE
    return [...u8.subarray(at, at + 6)]
      .map((octet) => octet.toString(16).padStart(2, '0'))
      .join(':')
  }
  const setNeigh = (
    dev: number,
    addr: string,
    lladdr: string | null,
    state = neigh.NUD_PERMANENT
  ): number => {
    const m = lladdr === null ? null : mac(lladdr)
    const hi = m === null ? -1 : (m[0]! << 8) | m[1]!
    const lo = m === null ? 0 : (m[2]! << 24) | (m[3]! << 16) | (m[4]! << 8) | m[5]!
    control.send(0, Ipi.NEIGH_SET, dev, 0, 0, V4, ip(addr), state, 7, hi, lo)
    settle()
    return replies.pop()!
  }
  const delNeigh = (dev: number, addr: string): number => {
    control.send(0, Ipi.NEIGH_DEL, dev, 0, 0, V4, ip(addr), 0, 8)
    settle()
    return replies.pop()!
  }

  // ---- what a test looks at
  const counter = (index: number): number => {
    let sum = 0
    for (let t = 0; t < layout.threads; t++) sum += f64[counterBank(arena, t) + index]!
    return sum
  }
  const drops = (reason: number): number => counter(DROP_COUNTERS + reason)
  const stat = (dev: number, index: number): number => netdev.sumDeviceStat(arena, dev, index)
  /** Everything that was allocated is back. */
  const isAllReturned = (): boolean => {
    settle()
    return workers.every((worker) => {
      const { skbs, smalls, larges } = worker.skbs.available()
      return (
        skbs === layout.config.skbs &&
        smalls === layout.config.smallBuffers &&
        larges === layout.config.largeBuffers
      )
    })
  }
  const flow = (saddr: string, daddr: string): Flowi => {
    const fl = createFlowi()
    fl.set([2], 0)
    fl.set([0, 0, V4, ip(saddr)], 6)
    fl.set([0, 0, V4, ip(daddr)], 10)
    return fl
  }
  const setSysctl = (index: number, value: number): void => {
    i32[layout.sysctl + index] = value
  }
  return {
    arena,
    host,
    sent: host.sent,
    workers,
    first,
    time,
    addDevice,
    addAddress,
    addRoute,
    deviceRow,
    receive,
    settle,
    advance,
    advanceUs,
    neighRow,
    neighState,
    neighMac,
    setNeigh,
    delNeigh,
    counter,
    drops,
    stat,
    isAllReturned,
    flow,
    setSysctl,
    events: host.events,
    control,
  }
}
export type PacketPath = ReturnType<typeof createPacketPath>

/** A router with two Ethernets: 10.0.2.1/24 on 2, 10.0.3.1/24 on 3, and a default route by 10.0.3.254. */
export const createRouter = (options: PathOptions = {}): PacketPath => {
  const path = createPacketPath(options)
  path.addDevice(2)
  path.addDevice(3)
  path.addAddress(1, '127.0.0.1/32')
  path.addAddress(2, '10.0.2.1/24')
  path.addAddress(3, '10.0.3.1/24')
  path.addRoute('0.0.0.0/0', 3, { via: '10.0.3.254' })
  return path
}
/** What a host at 10.0.2.9 puts around its packets to the router, and what one on the other side has. */
export const CLIENT_MAC = '02:00:00:00:02:09'
export const SERVER_MAC = '02:00:00:00:03:09'
export const toRouter = { dst: '02:00:00:00:00:02', src: CLIENT_MAC }
export const fromServer = { dst: '02:00:00:00:00:03', src: SERVER_MAC }
