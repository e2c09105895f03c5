/**
 * One stack on one thread: makes every layer, gives each the functions of the layers below it, and fills the tables
 * by which lower layers reach up (ptype, inet_protos). With the files of stack/ the only place that
 * knows every factory; read it after ARCHITECTURE.md. A worker's loop, a simulated host and the tests all make
 * their stack here.
 */
import { setTime } from './base/time.ts'
import { SOFT_KINDS } from './dev/kinds/kinds.ts'
import type { PathKind } from './dev/kinds/link-kind.ts'
import type { InetProtos } from './inet/inet-protos.ts'
import { Ipi } from './shm/ipi.ts'
import { createNetRx } from './softnet/net-rx.ts'
import { createInet } from './stack/inet.ts'
import { createLink } from './stack/link.ts'
import { createMachine, type MachineDeps } from './stack/machine.ts'
import { createPacket } from './stack/packet.ts'
import { createRaw } from './stack/raw.ts'
import { createSocketLayer } from './stack/sockets.ts'
import { createTxTstamp } from './stack/tx-tstamp.ts'
import { createTcp } from './stack/tcp.ts'
import { createUdp } from './stack/udp.ts'
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from './wire/ipproto.ts'

type StackDeps = MachineDeps & {
  /** Whose devices it sends on: the same list as its control's. */
  kinds?: readonly PathKind[]
  /** Two random words of this boot: the key of sequence numbers. */
  secret: Int32Array
  /** Adds transports to those that every stack has, before the table of them is frozen. */
  moreProtocols?: (protos: InetProtos) => void
}

export type Stack = ReturnType<typeof createStack>

/** Longest nap while frames wait for a driver to have room again. */
const TX_RETRY_MS = 1

export const createStack = (deps: StackDeps) => {
  const { nowUs, wake, secret, kinds = SOFT_KINDS } = deps
  const machine = createMachine(deps)
  const link = createLink(machine, kinds)
  const inet = createInet(machine, link)
  const layer = createSocketLayer(machine, inet, wake)
  const udp = createUdp(machine, link, inet, layer)
  const tcp = createTcp(machine, inet, layer, secret)
  createRaw(machine, inet, layer)
  createPacket(machine, link, inet, layer)
  link.xmit.bindTstamp(createTxTstamp(machine, layer, tcp))
  const { protos, protos6, icmp, igmp, ipv6 } = inet
  const { icmpRcv, icmpErr, icmpResume, icmpOwner } = icmp
  protos.inetAddProtocol(IPPROTO_ICMP, icmpRcv, icmpErr, icmpResume, icmpOwner)
  protos.inetAddProtocol(IPPROTO_IGMP, igmp.igmpRcv, undefined, igmp.igmpRcv)
  const { icmpv6Rcv, icmpv6Err, icmpv6Resume, icmpv6Owner } = ipv6.icmpv6
  protos6.inetAddProtocol(IPPROTO_ICMPV6, icmpv6Rcv, icmpv6Err, icmpv6Resume, icmpv6Owner)
  for (const family of [protos, protos6]) {
    family.inetAddProtocol(IPPROTO_UDP, udp.udpRcv, udp.udpErr, udp.udpResume, udp.udpOwner)
    family.inetAddProtocol(IPPROTO_TCP, tcp.tcpRcv, tcp.tcpErr, tcp.tcpResume, tcp.tcpOwner)
  }
  for (const family of [protos, protos6]) deps.moreProtocols?.(family)
  protos.freeze()
  protos6.freeze()
  const netRx = createNetRx({ ...machine, ...link, ...inet, nowUs })

  const { time, wheel, skbs, ipi, backlog, steer } = machine
  const { xmit } = link
  const { mcPoll } = inet
  const { sockets, appPort } = layer
  ipi.on(Ipi.SOCK_DESTROY, (from, sk, generation, _a2, _a3, _a4, _a5, request) => {
    ipi.send(from, Ipi.REPLY, request, sockets.destroy(sk, generation))
  })
  ipi.on(Ipi.DEBUG_THROW, () => {
    throw new Error('thrown on request')
  })

  /**
   * Reads the clock. The first thing whenever the thread comes back to the stack, before anything that arms a timer or
   * measures: timers count from this time, wherever the wheel still stands. poll() does it itself.
   */
  const tick = (): void => setTime(time, nowUs())
  /** One turn of the loop: whatever is there to be done, in bounded pieces. Returns how much it was. */
  const poll = (): number => {
    tick()
    let work = ipi.run()
    mcPoll()
    work += netRx.netRxAction()
    work += appPort.poll()
    work += wheel.advance()
    work += sockets.runEvents()
    appPort.flush()
    if (work === 0) work += tcp.sendCompressed()
    const sent = xmit.netTxAction()
    work += sent
    const heldUp = tcp.releaseHeldUp(sent !== 0)
    work -= xmit.endBatch()
    // what the drivers have sent by now makes room for more
    if (heldUp !== 0) {
      tcp.releaseHeldUp(true)
      work -= xmit.endBatch()
    }
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

  /** Takes over what control has changed; between turns, at the quiescent point. */
  const refresh = (): void => {
    steer.refresh()
    inet.refresh()
  }

  /** The thread comes to its end: what others are to hear of that is said. */
  const cease = (): void => {
    tick()
    ipv6.ceaseAll()
    poll()
  }

  // the parts, and the loop over them
  const parts = { ...machine, ...link, ...inet, ...layer, udp, tcp }
  return { ...parts, napiAdd: netRx.napiAdd, tick, poll, pending, nextDelay, refresh, cease }
}
