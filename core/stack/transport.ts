/** The transports and sockets of a stack: UDP and TCP over the internet layer, sockets over both, services over those. */
import type { Flowi } from '../base/flowi.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_IIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
} from '../base/flowi.ts'
import { DEV_FEATURES, DEV_GSO_MAX, deviceRow, NETIF_F_TSO } from '../netdev/netdev.ts'
import { Ipi } from '../shm/ipi.ts'
import { createAppPort } from '../socket/app-port.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../socket/proto.ts'
import { createServices, type ServicesConfig } from '../socket/services/services.ts'
import { SOCK_DGRAM, SOCK_STREAM, sockSlab } from '../socket/sock.ts'
import { createSockets } from '../socket/sockets.ts'
import { createOwnedFlows } from '../transport/owned-flows.ts'
import { createPorts } from '../transport/ports.ts'
import { CONGESTION_CONTROLS } from '../transport/tcp/rec/tcp-cong.ts'
import { createTcp } from '../transport/tcp/tcp.ts'
import { createTcpErr, createTcpProto } from '../transport/tcp/sock/tcp-proto.ts'
import { createUdpHash } from '../transport/udp/udp-hash.ts'
import { createUdpInput } from '../transport/udp/udp-input.ts'
import { createUdpOutput } from '../transport/udp/udp-output.ts'
import { createUdpSock } from '../transport/udp/udp-sock.ts'
import type { Inet } from './inet.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'

export type TransportDeps = {
  machine: Machine
  link: Link
  inet: Inet
  /** Two random words of this boot: the key of sequence numbers. */
  secret: Int32Array
  services: ServicesConfig
  /** Rings the doorbell of a sleeping thread. */
  wake: (thread: number) => void
}

export const createTransport = (deps: TransportDeps) => {
  const { machine, inet, wake } = deps
  const { arena, thread, steer, ipi } = machine
  const { protos } = inet
  const slab = sockSlab(arena, thread, true)
  const sockets = createSockets({ arena, firstSock: slab.first, recordFlow: steer.recordFlow })
  const owned = createOwnedFlows(machine)
  const udp = createUdp(deps, { slab, sockets, owned })
  const tcp = createTcp({
    ...machine,
    ...inet,
    slab,
    owned,
    secret: deps.secret,
    steer: steer.steerFlow,
    gsoMax: createGsoMax(machine),
    sockEvents: sockets.sockEvents,
    congestion: CONGESTION_CONTROLS,
  })
  sockets.registerProto(SOCK_STREAM, IPPROTO_TCP, createTcpProto(tcp))
  protos.inetAddProtocol(IPPROTO_ICMP, inet.icmp.icmpRcv, inet.icmp.icmpErr)
  protos.inetAddProtocol(
    IPPROTO_TCP,
    tcp.tcpRcv,
    createTcpErr({ ...machine, ...inet, tcp }),
    tcp.tcpResume
  )
  ipi.on(Ipi.SOCK_DESTROY, (from, sk, generation, _a2, _a3, _a4, _a5, request) => {
    ipi.send(from, Ipi.REPLY, request, sockets.destroy(sk, generation))
  })
  createServices({ ...machine, sockets }).configure(deps.services)
  const appPort = createAppPort({
    ...machine,
    sockets,
    wakeApp: (app) => wake(arena.layout.appThread + app),
  })
  return { sockets, udp, tcp, appPort }
}

type Shared = {
  slab: ReturnType<typeof sockSlab>
  sockets: ReturnType<typeof createSockets>
  owned: ReturnType<typeof createOwnedFlows>
}

const createUdp = ({ machine, link, inet }: TransportDeps, { slab, sockets, owned }: Shared) => {
  const { arena, random } = machine
  const { sockEvents } = sockets
  const { protos } = inet
  const ports = createPorts(arena.i32)
  const table = createUdpHash(arena.i32, ports, random())
  const { udpRcv, udpResume, udpErr } = createUdpInput({
    ...machine,
    ...inet,
    table,
    segment: link.xmit.gso.segment,
    sockEvents,
    passOn: owned.passOn,
  })
  const udp = createUdpSock({
    ...machine,
    ...inet,
    slab,
    ports,
    table,
    output: createUdpOutput({ ...machine, ...inet }),
    sockEvents,
    owned,
    hashesHome: createHashesHome(machine),
  })
  protos.inetAddProtocol(IPPROTO_UDP, udpRcv, udpErr, udpResume)
  sockets.registerProto(SOCK_DGRAM, IPPROTO_UDP, udp.proto)
  return udp
}

/** Do packets of a flow back to us, from (FL_DADDR, rport) to (FL_SADDR, port), come to this CPU? */
const createHashesHome = ({ thread, steer }: Machine) => {
  const back = createFlowi()
  return (flow: Flowi, port: number, rport: number): boolean => {
    for (let w = 0; w < 4; w++) {
      back[FL_SADDR + w] = flow[FL_DADDR + w]
      back[FL_DADDR + w] = flow[FL_SADDR + w]
    }
    back[FL_IIF] = flow[FL_DEV]
    back[FL_PROTO] = IPPROTO_UDP
    back[FL_SPORT] = rport
    back[FL_DPORT] = port
    return steer.steerFlow(back) === thread
  }
}

/** Largest super-frame that a device takes; 0 when it takes none itself. */
const createGsoMax = ({ arena }: Machine) => {
  const { i32 } = arena
  return (ifindex: number): number => {
    const dev = deviceRow(arena, ifindex)
    return (i32[dev + DEV_FEATURES] & NETIF_F_TSO) === 0 ? 0 : i32[dev + DEV_GSO_MAX]
  }
}
