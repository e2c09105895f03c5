/**
 * One stack on one thread: makes every layer, gives each the functions of the layers below it, and fills the tables
 * by which lower layers reach up (ptype, inet_protos), then freezes them. The only file that knows every factory; read
 * it after ARCHITECTURE.md. A worker's loop, a simulated host and the tests all make their stack here.
 */
import type { Flowi } from './base/flowi.ts'
import { FL_DADDR, FL_DEV, FL_DPORT, FL_IIF, FL_PROTO, FL_SADDR, FL_SPORT } from './base/flowi.ts'
import { createTime, setTime, TIME_MS } from './base/time.ts'
import { createTimerWheel, TIMER_WORDS, WHEEL_WORDS } from './base/timer-wheel.ts'
import { createFibReader } from './ip/fib.ts'
import { createIcmp } from './ip/icmp.ts'
import { createInetProtos } from './ip/inet-protos.ts'
import { V4_MAPPED } from './ip/ip-constants.ts'
import { createIpForward } from './ip/ip-forward.ts'
import { createIpDefrag } from './ip/ip-fragment.ts'
import { createIpFragmentation } from './ip/ip-fragmentation.ts'
import { createIpIdent } from './ip/ip-ident.ts'
import { createIpInput } from './ip/ip-input.ts'
import { createIpOutput } from './ip/ip-output.ts'
import { FIB_LOCAL, NH_TYPE, RT_SCOPE_LINK } from './ip/nexthop-constants.ts'
import { createNfHooks } from './ip/nf-hooks.ts'
import { createPmtu } from './ip/pmtu.ts'
import { createRoute } from './ip/route.ts'
import { createSourceSelection } from './ip/source.ts'
import { createDevQueueXmit } from './link/dev-queue-xmit.ts'
import { createEthTypeTrans } from './link/eth-type-trans.ts'
import { createEtherOutput } from './link/ether-output.ts'
import { createPtype } from './link/ptype.ts'
import { createArp } from './neigh/arp.ts'
import { NEIGH_ADDR, NEIGH_IFINDEX } from './neigh/neigh-constants.ts'
import { createNeighOutput } from './neigh/neigh-output.ts'
import { createNeighTable } from './neigh/neigh-table.ts'
import { createNeighbour } from './neigh/neighbour.ts'
import {
  DEV_FEATURES,
  DEV_GSO_MAX,
  DEV_RPS_FLOW_CNT,
  deviceRow,
  NETIF_F_TSO,
  type StartXmit,
} from './netdev/netdev.ts'
import type { Arena } from './shm/arena.ts'
import { counterBank, Softnet } from './shm/counters.ts'
import { createIpi, Ipi, Notify } from './shm/ipi.ts'
import { SCRATCH_WORDS } from './shm/layout.ts'
import { createDrop, Drop, type DropFn } from './skb/drop.ts'
import {
  createSkbs,
  SKB_DATA,
  SKB_DEV,
  SKB_HASH,
  SKB_LEN,
  SKB_MAC,
  SKB_NETWORK,
  SKB_PROTOCOL,
  type Skbs,
} from './skb/skb.ts'
import { createAppPort } from './socket/app-port.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from './socket/proto.ts'
import { createServices, type ServicesConfig } from './socket/services/services.ts'
import { SOCK_DGRAM, SOCK_STREAM, sockSlab } from './socket/sock.ts'
import { createSockets } from './socket/sockets.ts'
import { createBacklog } from './softnet/backlog.ts'
import { createFlowTable } from './softnet/flow-table.ts'
import { createNetRx } from './softnet/net-rx.ts'
import { createCpuFlowLimit } from './steering/cpu-flow-limit.ts'
import { createSteer } from './steering/steer.ts'
import { createOwnedFlows } from './transport/owned-flows.ts'
import { createPorts } from './transport/ports.ts'
import { createTcp } from './transport/tcp/tcp.ts'
import { createTcpErr, createTcpProto } from './transport/tcp/tcp-proto.ts'
import { createUdpHash } from './transport/udp/udp-hash.ts'
import { createUdpInput } from './transport/udp/udp-input.ts'
import { createUdpOutput } from './transport/udp/udp-output.ts'
import { createUdpSock } from './transport/udp/udp-sock.ts'
import { ETH_P_ARP, ETH_P_IP } from './wire/ethernet.ts'
import * as icmpWire from './wire/icmp.ts'

/** What a stack gives the drivers that are made for it. */
export type DriverEnv = {
  skbs: Skbs
  drop: DropFn
  kick: (thread: number) => void
  netifRx: (skb: number) => void
}

export type StackDeps = {
  arena: Arena
  /** Worker number: this stack's CPU. */
  thread: number
  /** Monotonic microseconds. */
  nowUs: () => number
  random: () => number
  /** Two random words of this boot: the key of sequence numbers. */
  secret: Int32Array
  /** Rings the doorbell of a sleeping thread. */
  wake: (thread: number) => void
  /** start_xmit by DevKind. */
  drivers: (env: DriverEnv) => readonly StartXmit[]
  services: ServicesConfig
  /** An earlier stack of this thread has died: what it left is freed first. */
  restarted?: boolean
}

export type Stack = ReturnType<typeof createStack>

/** Longest nap while frames wait for a driver to have room again. */
const TX_RETRY_MS = 1

export const createStack = (deps: StackDeps) => {
  const { arena, thread, nowUs, random, secret, wake, drivers, services: wanted } = deps
  const { i32, f64, layout } = arena
  const { workers } = layout.config
  const count = counterBank(arena, thread)
  let scratch = layout.scratch + thread * SCRATCH_WORDS
  /** Words of this thread's own. */
  const words = (n: number): number => {
    const at = scratch
    scratch += n
    return at
  }

  // ---- the thread's own: time, timers, memory, calls from other threads
  const time = createTime()
  setTime(time, nowUs())
  const wheel = createTimerWheel(i32, layout.wheels + thread * WHEEL_WORDS, time[TIME_MS]!)
  const skbs = createSkbs(arena, thread)
  const { drop, consume, countDrop } = createDrop(arena, skbs)
  const ipi = createIpi(arena, thread, wake)
  if (deps.restarted) recover(arena, skbs, countDrop)

  // ---- steering: the backlogs of all CPUs, as this one fills them
  const steer = createSteer(arena, thread, DEV_RPS_FLOW_CNT)
  const backlog = createBacklog({
    arena,
    skbs,
    drop,
    kick: ipi.kick,
    flowLimited: createCpuFlowLimit(arena),
  })
  const { enqueueToBacklog } = backlog
  /** Puts a frame on the backlog that its flow hashes to (netif_rx). */
  const netifRx = (skb: number): void => {
    const cpu = steer.steerFrame(i32[skb + SKB_DEV]!, i32[skb + SKB_DATA]!, i32[skb + SKB_LEN]!)
    i32[skb + SKB_HASH] = steer.hash()
    enqueueToBacklog(cpu, skb, steer.hash())
  }
  /** Gives a received packet, whatever was pulled off it, to another CPU as the frame it was. */
  const steerTo = (cpu: number, skb: number): void => {
    f64[count + Softnet.steered]!++
    skbs.push(skb, i32[skb + SKB_DATA]! - i32[skb + SKB_MAC]!)
    enqueueToBacklog(cpu, skb, i32[skb + SKB_HASH]!)
  }
  /** A reassembled datagram goes to the CPU of its ports; false when that is this one. */
  const steerAgain = (skb: number): boolean => {
    const at = i32[skb + SKB_NETWORK]!
    const len = i32[skb + SKB_LEN]! - (at - i32[skb + SKB_DATA]!)
    const cpu = steer.steerPacket(i32[skb + SKB_DEV]!, i32[skb + SKB_PROTOCOL]!, at, len)
    i32[skb + SKB_HASH] = steer.hash()
    if (cpu === thread) return false
    steerTo(cpu, skb)
    return true
  }

  // ---- link
  const ptype = createPtype({ arena, skbs, drop })
  const { ethTypeTrans } = createEthTypeTrans({ arena, skbs, drop })
  const { pushHh, popHeader, ethHeader, ethHeaderSelf } = createEtherOutput({ arena, skbs })
  const xmit = createDevQueueXmit({
    arena,
    skbs,
    drop,
    consume,
    time,
    wheel,
    random,
    ptype,
    timer: words(TIMER_WORDS),
    drivers: drivers({ skbs, drop, kick: ipi.kick, netifRx }),
  })
  const { devQueueXmit, gso } = xmit

  // ---- routing and neighbours
  const { routeInput, routeOutput } = createRoute({ arena })
  const { lookup, lookup4 } = createFibReader(arena)
  const { select4 } = createSourceSelection(arena)
  const isLocalRow = (row: number): boolean => row !== 0 && i32[row + NH_TYPE] === 2
  const isLocalAddress = (addr: number): boolean => isLocalRow(lookup4(FIB_LOCAL, addr))
  const address = new Int32Array(4)
  const isLocal = (a0: number, a1: number, a2: number, a3: number): boolean => {
    if ((a0 | a1) === 0 && a2 === V4_MAPPED) return isLocalAddress(a3)
    address[0] = a0
    address[1] = a1
    address[2] = a2
    address[3] = a3
    return isLocalRow(lookup(10, FIB_LOCAL, address, 0))
  }
  const table = createNeighTable(arena)
  const neighOutput = createNeighOutput({
    arena,
    skbs,
    drop,
    time,
    wheel,
    ipi,
    table,
    pushHh,
    popHeader,
    devQueueXmit,
    timer: words(TIMER_WORDS),
    key: words(4),
    linkFailure: (skb) => icmp.linkFailure(skb),
  })
  const neighbour =
    thread !== 0
      ? null
      : createNeighbour({
          arena,
          time,
          wheel,
          ipi,
          table,
          random,
          timer: words(TIMER_WORDS),
          key: words(4),
          notify: (row, isGone) => {
            ipi.send(
              layout.controlThread,
              Ipi.NOTIFY,
              Notify.NEIGH,
              isGone ? 1 : 0,
              i32[row + NEIGH_IFINDEX]!,
              i32[row + NEIGH_ADDR]!,
              i32[row + NEIGH_ADDR + 1]!,
              i32[row + NEIGH_ADDR + 2]!,
              i32[row + NEIGH_ADDR + 3]!
            )
          },
        })
  const arp = createArp({
    arena,
    skbs,
    drop,
    consume,
    time,
    table,
    neighbour,
    steerTo,
    isLocalAddress,
    ethHeader,
    devQueueXmit,
    key: words(4),
    selectSource: (dev, target) => select4(dev, target, RT_SCOPE_LINK),
  })
  neighbour?.registerOps('v4', { ethertype: ETH_P_IP, solicit: arp.arpSolicit })

  // ---- IP
  const nf = createNfHooks()
  const protos = createInetProtos()
  const pmtu = createPmtu(time, random)
  const { ipSelectIdent } = createIpIdent(thread, workers, random)
  const fragmentation = createIpFragmentation({ arena, skbs, drop, consume })
  const ipOut = createIpOutput({
    arena,
    skbs,
    drop,
    nf,
    routeOutput,
    ipSelectIdent,
    pmtu,
    fragmentation,
    gso,
    neighResolve: neighOutput.neighResolve,
    neighConfirm: neighOutput.neighConfirm,
    ethHeader,
    ethHeaderSelf,
    devQueueXmit,
    netifRx,
    key: words(4),
  })
  const { ipSend, loadAddrs } = ipOut
  const icmp = createIcmp({
    arena,
    skbs,
    drop,
    consume,
    time,
    protos,
    pmtu,
    routeOutput,
    ipSend,
    isLocalAddress,
    pingRcv: consume,
    pmtuLearned: (addr, mtu) => {
      for (let cpu = 0; cpu < workers; cpu++)
        if (cpu !== thread) ipi.send(cpu, Ipi.PMTU_UPDATE, 0, 0, 0, V4_MAPPED, addr, mtu)
    },
  })
  ipi.on(Ipi.PMTU_UPDATE, (_from, _a0, a1, a2, a3, a4, mtu) => {
    pmtu.learn(a1, a2, a3, a4, mtu)
  })
  const { icmpSend } = icmp
  const { ipForward } = createIpForward({
    arena,
    skbs,
    drop,
    nf,
    icmpSend,
    ipOutput: ipOut.ipOutput,
    networkSegLen: gso.networkSegLen,
  })
  const { ipDefrag } = createIpDefrag({
    arena,
    skbs,
    drop,
    consume,
    time,
    wheel,
    random,
    icmpSend,
    timer: words(TIMER_WORDS),
  })
  const { ipRcv } = createIpInput({
    arena,
    skbs,
    drop,
    consume,
    nf,
    protos,
    routeInput,
    isLocalAddress,
    ipForward,
    icmpSend,
    ipDefrag,
    steerAgain,
    rawDeliver: () => false,
  })

  // ---- transport and sockets
  const slab = sockSlab(arena, thread, true)
  const sockets = createSockets({ arena, firstSock: slab.first, recordFlow: steer.recordFlow })
  const { sockEvents } = sockets
  const home = new Int32Array(24)
  /** Do packets of the flow back to us, from (FL_DADDR, rport) to (FL_SADDR, port), come to this CPU? */
  const hashesHome = (
    flow: Flowi,
    protocol: number,
    device: number,
    port: number,
    rport: number
  ): boolean => {
    for (let w = 0; w < 4; w++) {
      home[FL_SADDR + w] = flow[FL_DADDR + w]!
      home[FL_DADDR + w] = flow[FL_SADDR + w]!
    }
    home[FL_IIF] = device
    home[FL_PROTO] = protocol
    home[FL_SPORT] = rport
    home[FL_DPORT] = port
    return steer.steerFlow(home) === thread
  }
  const owned = createOwnedFlows({ arena, worker: thread, steerTo })
  const udpPorts = createPorts(i32)
  const udpTable = createUdpHash(i32, udpPorts, random())
  const udpOutput = createUdpOutput({ arena, skbs, routeOutput, ipSend })
  const udpIn = createUdpInput({
    arena,
    skbs,
    drop,
    table: udpTable,
    loadAddrs,
    segment: gso.segment,
    sockEvents,
    passOn: owned.passOn,
    portUnreachable: (skb) =>
      icmpSend(skb, icmpWire.ICMP_DEST_UNREACH, icmpWire.ICMP_PORT_UNREACH, 0),
  })
  const udp = createUdpSock({
    arena,
    skbs,
    consume,
    slab,
    time,
    random,
    ports: udpPorts,
    table: udpTable,
    output: udpOutput,
    sockEvents,
    owned,
    isLocal,
    hashesHome: (flow, port, rport) => hashesHome(flow, IPPROTO_UDP, flow[FL_DEV]!, port, rport),
  })
  sockets.registerProto(SOCK_DGRAM, IPPROTO_UDP, udp.proto)
  const tcp = createTcp({
    arena,
    worker: thread,
    skbs,
    drop,
    consume,
    wheel,
    time,
    random,
    slab,
    secret,
    routeOutput,
    ipSend,
    loadAddrs,
    ipQueueXmit: ipOut.ipQueueXmit,
    steer: steer.steerFlow,
    isLocal: (_family, at, k) => isLocal(at[k]!, at[k + 1]!, at[k + 2]!, at[k + 3]!),
    gsoMax: (ifindex) => {
      const dev = deviceRow(arena, ifindex)
      return (i32[dev + DEV_FEATURES]! & NETIF_F_TSO) === 0 ? 0 : i32[dev + DEV_GSO_MAX]!
    },
    sockEvents,
    owned,
  })
  sockets.registerProto(SOCK_STREAM, IPPROTO_TCP, createTcpProto(tcp))

  protos.inetAddProtocol(IPPROTO_ICMP, icmp.icmpRcv)
  protos.inetAddProtocol(IPPROTO_TCP, tcp.tcpRcv, createTcpErr({ arena, tcp, loadAddrs }))
  protos.inetAddProtocol(IPPROTO_UDP, udpIn.udpRcv, udpIn.udpErr)
  protos.freeze()
  ptype.devAddPack(ETH_P_IP, ipRcv)
  ptype.devAddPack(ETH_P_ARP, arp.arpRcv)
  ptype.freeze()

  const services = createServices({ arena, skbs, sockets, consume, random })
  services.configure(wanted)
  const appPort = createAppPort({
    arena,
    worker: thread,
    skbs,
    sockets,
    consume,
    wakeApp: (app) => wake(layout.appThread + app),
  })

  // ---- receive
  const { record } = createFlowTable({
    arena,
    worker: thread,
    time,
    dissect: steer.dissect,
    keys: steer.keys,
  })
  const { netifReceiveSkb } = ptype
  /** A frame from a backlog (netif_receive_skb). */
  const receive = (skb: number): void => {
    record(skb)
    if (ethTypeTrans(skb)) netifReceiveSkb(skb)
  }
  /** A frame from a device queue of this CPU's own. What has no ports is better off on the CPU it hashes to. */
  const receiveFrame = (skb: number): void => {
    const cpu = steer.steerFrame(i32[skb + SKB_DEV]!, i32[skb + SKB_DATA]!, i32[skb + SKB_LEN]!)
    i32[skb + SKB_HASH] = steer.hash()
    if (cpu === thread || steer.hasPorts()) return receive(skb)
    enqueueToBacklog(cpu, skb, steer.hash())
  }
  const netRx = createNetRx({ arena, worker: thread, receive, nowUs })

  ipi.on(Ipi.DEV_DOWN, (_from, ifindex) => {
    neighOutput.flushDevice(ifindex)
    neighbour?.neighIfdown(ifindex)
  })
  ipi.on(Ipi.SOCK_DESTROY, (from, sk, generation, _a2, _a3, _a4, _a5, request) => {
    ipi.send(from, Ipi.REPLY, request, sockets.destroy(sk, generation))
  })
  ipi.on(Ipi.DEBUG_THROW, () => {
    throw new Error('thrown on request')
  })

  /** One turn of the loop: whatever is there to be done, in bounded pieces. Returns how much it was. */
  const poll = (): number => {
    setTime(time, nowUs())
    let work = ipi.run()
    work += netRx.netRxAction()
    work += appPort.poll()
    work += wheel.advance(time[TIME_MS]!)
    work += sockets.runEvents()
    appPort.flush()
    work += xmit.netTxAction()
    backlog.flush()
    skbs.flush()
    skbs.reclaim()
    return work
  }
  /** True when there is something to do now; asked before the thread sleeps. */
  const pending = (): boolean =>
    netRx.pending() || ipi.pending() || appPort.pending() || sockets.eventsPending()
  /** Milliseconds, at most `limit`, until there is something to do by itself. */
  const nextDelay = (limit: number): number =>
    wheel.nextDelay(xmit.backlogLen() === 0 ? limit : TX_RETRY_MS)

  return {
    poll,
    pending,
    nextDelay,
    receiveFrame,
    refresh: steer.refresh,
    napiAdd: netRx.napiAdd,
    arena,
    thread,
    skbs,
    drop,
    time,
    wheel,
    ipi,
    ptype,
    neighbour,
    sockets,
    udp,
    tcp,
    arp,
    steer,
  }
}

/** Frees what a stack that died on this thread still held, and says how much was lost. */
const recover = (arena: Arena, skbs: Skbs, countDrop: (reason: Drop) => void): void => {
  const { f64 } = arena
  const count = counterBank(arena, skbs.thread)
  const found = skbs.recover()
  for (let k = 0; k < found; k++) countDrop(Drop.WORKER_RESTART)
  f64[count + Softnet.skbs_recovered]! += found
  f64[count + Softnet.sockets_lost]! += sockSlab(arena, skbs.thread, false).live()
}
