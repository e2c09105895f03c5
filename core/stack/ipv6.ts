/** IPv6 of a stack: packets in, through and out, the hooks on their way, and ICMPv6 about them. */
import type { InetFrag } from '../inet/inet-fragment.ts'
import type { InetProtos } from '../inet/inet-protos.ts'
import { AF_INET6 } from '../base/family.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { createInetPeers } from '../inet/dst/inet-peer.ts'
import { createMrForward } from '../inet/mc/mr-forward.ts'
import { createDad6 } from '../ipv6/ndisc/dad.ts'
import { createExthdrs } from '../ipv6/exthdrs.ts'
import { createIcmpv6Ratelimit } from '../ipv6/icmp/icmpv6-ratelimit.ts'
import { createIcmpv6, HEADERS_WORDS } from '../ipv6/icmp/icmpv6.ts'
import { createIp6Forward } from '../ipv6/ip6-forward.ts'
import { createIp6Fragmentation } from '../ipv6/fragment/ip6-fragmentation.ts'
import { createIp6Input } from '../ipv6/ip6-input.ts'
import { createIp6LinkFailure } from '../ipv6/ip6-link-failure.ts'
import { createIp6Output } from '../ipv6/ip6-output.ts'
import { createMld } from '../ipv6/mld.ts'
import { createIp6Reassembly } from '../ipv6/fragment/ip6-reassembly.ts'
import { createNdSend } from '../ipv6/ndisc/nd-send.ts'
import { createNdiscRedirect } from '../ipv6/ndisc/ndisc-redirect.ts'
import { createNdisc } from '../ipv6/ndisc/ndisc.ts'
import { createRaInput } from '../ipv6/addrconf/ra-input.ts'
import { createRaOutput } from '../ipv6/addrconf/ra-output.ts'
import { createRs } from '../ipv6/addrconf/rs.ts'
import { createProxyQueue } from '../neigh/proxy-queue.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import { Ipi } from '../shm/ipi.ts'
import { ETH_P_IPV6 } from '../wire/ethernet.ts'
import { ICMPV6_PKT_TOOBIG } from '../wire/icmpv6.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'
import type { Neigh } from './neigh.ts'
import type { Routing } from './routing.ts'

/** What lies beside and below IPv6; its protocols and hooks are its own. */
type Ipv6Deps = {
  machine: Machine
  link: Link
  neigh: Neigh
  routing: Routing
  frags: InetFrag
  protos: InetProtos
  nf: NfHooks
}

export const createIpv6 = ({ machine, link, neigh, routing, frags, protos, nf }: Ipv6Deps) => {
  const { gso, devQueueXmit } = link.xmit
  const common = { ...machine, ...routing, protos, nf }
  const out = createIp6Output({
    ...common,
    ...neigh.neighOutput,
    ...link.ether,
    ...createIp6Fragmentation(machine),
    packetTooBig: (skb, mtu) => icmpv6Send(skb, ICMPV6_PKT_TOOBIG, 0, mtu),
    gso,
    devQueueXmit,
    key: machine.words(4),
  })
  const mld = createMld({ ...common, ...out })
  const peers = createInetPeers(machine)
  const icmpv6 = createIcmpv6({
    ...common,
    ...createIcmpv6Ratelimit({ ...machine, peers }),
    ...out,
    headers: machine.words(HEADERS_WORDS),

    mldRcv: mld.mldRcv,
    ndiscRcv: (skb) => ndiscRcv(skb),
  })
  const { icmpv6Send, icmpv6Transmit } = icmpv6
  const dad =
    neigh.neighbour === null
      ? null
      : createDad6({
          ...machine,
          timer: machine.words(TIMER_WORDS),
          ndProbe: (row, nonceHi, nonceLo) => ndProbe(row, nonceHi, nonceLo),
          onOurs: mld.sourceFound,
        })
  const ndSend = createNdSend({ ...machine, icmpv6Transmit })
  const rs =
    neigh.neighbour === null
      ? null
      : createRs({ ...machine, timer: machine.words(TIMER_WORDS), ndSend })
  const table = neigh.neighTable
  const raOutput = createRaOutput({
    ...common,
    timer: machine.words(TIMER_WORDS),
    key: machine.words(4),
    table,
    ndSend,
  })
  const raInput = createRaInput({
    ...common,
    table,
    key: machine.words(4),
    onRouter: (ifindex) => rs?.routerHeard(ifindex),
  })
  const ndiscRedirect = createNdiscRedirect({
    ...common,
    key: machine.words(4),
    peers,
    table,
    ndSend,
  })
  const [dest, gateway] = [new Int32Array(4), new Int32Array(4)]
  machine.ipi.on(Ipi.REDIRECT, (_from, dev, a, b, c, d, e, f, g, h) => {
    dest.set([a, b, c, d])
    gateway.set([e, f, g, h])
    ndiscRedirect.redirected(dev, dest, gateway)
  })
  const proxyQueue = createProxyQueue({
    ...common,
    timer: machine.words(TIMER_WORDS),
    family: AF_INET6,
    redo: (skb) => ndiscRcv(skb),
  })
  const { ndiscRcv, ndSolicit, ndProbe, ndNotify } = createNdisc({
    ...common,
    ...raInput,
    ...raOutput,
    ...ndiscRedirect,
    ...neigh.pneigh,
    ...proxyQueue,
    ndSend,
    table,
    neighbour: neigh.neighbour,
    trying: dad && { gone: dad.dadFailure, hasAsked: dad.isOwnProbe },
    key: machine.words(4),
  })
  const { ip6Forward, forwardFinish } = createIp6Forward({
    ...common,
    ...out,
    ...ndiscRedirect,
    ...neigh.pneigh,
    takeHere: (skb) => input.ip6Input(skb),
    icmpv6Send,
    networkSegLen: gso.networkSegLen,
  })
  const mr = createMrForward({
    ...common,
    family: AF_INET6,
    forwardFinish,
    networkSegLen: gso.networkSegLen,
    send: machine.ipi.send,
    timer: machine.words(TIMER_WORDS),
  })
  const exthdrs = createExthdrs({ ...common, icmpv6Send })
  const input = createIp6Input({
    ...common,
    ...createIp6Reassembly({ ...common, frags, icmpv6Send }),
    exthdrs,
    mr,
    ip6Forward,
    icmpv6Send,
    l3mdevRcv: link.l3mdevRcv,
  })
  const { linkFailure } = createIp6LinkFailure({ ...common, icmpv6Send })
  neigh.neighbour?.registerOps('v6', { ethertype: ETH_P_IPV6, solicit: ndSolicit })
  /** Takes over what control has changed. */
  const refresh = (): void => {
    dad?.refresh()
    rs?.refresh()
    if (neigh.neighbour !== null) raOutput.refresh()
  }
  return {
    ...out,
    ...input,
    icmpv6,
    mld,
    mr,
    ndNotify,
    proxyQueue,
    linkFailure,
    refresh,
    ceaseAll: raOutput.ceaseAll,
  }
}
