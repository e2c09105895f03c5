/** IPv4 of a stack: packets in, reassembled, through and out, the hooks on their way, and ICMP about them. */
import type { InetFrag } from '../inet/inet-fragment.ts'
import { AF_INET } from '../base/family.ts'
import { TIMER_WORDS } from '../base/timer-wheel.ts'
import { createInetPeers } from '../inet/dst/inet-peer.ts'
import type { InetProtos } from '../inet/inet-protos.ts'
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../inet/fib/nexthop-constants.ts'
import { createSourceSelection } from '../inet/addr/source.ts'
import { createIcmp } from '../ipv4/icmp/icmp.ts'
import { createIpDoRedirect } from '../ipv4/ip-do-redirect.ts'
import { createIpForward } from '../ipv4/ip-forward.ts'
import { createIpDefrag } from '../ipv4/fragment/ip-fragment.ts'
import { createIpFragmentation } from '../ipv4/fragment/ip-fragmentation.ts'
import { createIpIdent } from '../ipv4/fragment/ip-ident.ts'
import { createMrForward } from '../inet/mc/mr-forward.ts'
import { createIpInput } from '../ipv4/ip-input.ts'
import { createIpLocalOut } from '../ipv4/ip-local-out.ts'
import { createIpMcOutput } from '../ipv4/ip-mc-output.ts'
import { createIpOptions } from '../ipv4/options/ip-options.ts'
import { createIpOptionsEcho } from '../ipv4/options/ip-options-echo.ts'
import { createIpOutput } from '../ipv4/ip-output.ts'
import { createIpRedirect } from '../ipv4/ip-redirect.ts'
import { createIpSourceRoute } from '../ipv4/options/ip-source-route.ts'
import type { NfHooks } from '../netfilter/hooks.ts'
import type { Routing } from './routing.ts'
import type { Link } from './link.ts'
import type { Machine } from './machine.ts'
import type { Neigh } from './neigh.ts'

/** What lies beside and below IPv4. */
type Ipv4Deps = {
  machine: Machine
  link: Link
  neigh: Neigh
  routing: Routing
  frags: InetFrag
  protos: InetProtos
  nf: NfHooks
}

export const createIpv4 = ({ machine, link, neigh, routing, frags, protos, nf }: Ipv4Deps) => {
  const { arena, thread, random, words } = machine
  const { gso, devQueueXmit } = link.xmit
  const { select4 } = createSourceSelection(arena)
  const selectSource = (dev: number, near: number): number => select4(dev, near, RT_SCOPE_UNIVERSE)
  const selectLinkSource = (dev: number, near: number): number => select4(dev, near, RT_SCOPE_LINK)
  const peers = createInetPeers(machine)
  const common = { ...machine, ...routing, protos, nf, selectSource, selectLinkSource, peers }
  const received = createIpOptions(common)
  const echo = createIpOptionsEcho({ ...common, ...received, scratch: words(10) })
  const options = { ...received, ...echo }
  const output = createIpOutput({
    ...common,
    ...neigh.neighOutput,
    ...link.ether,
    gso,
    devQueueXmit,
    fragmentation: createIpFragmentation(machine),
    mcOutput: createIpMcOutput({ ...common, ...link.ether }),
    key: words(4),
  })
  const localOut = createIpLocalOut({
    ...common,
    ...output,
    ...neigh.neighOutput,
    ...createIpIdent(thread, arena.layout.config.workers, random),
    options,
  })
  const out = { ...output, ...localOut }
  const { ipDoRedirect } = createIpDoRedirect({ ...common, ...neigh.neighOutput })
  const icmp = createIcmp({ ...common, ...out, options, ipDoRedirect })
  const { icmpSend } = icmp
  const { ipForward, forwardFinish } = createIpForward({
    ...common,
    ...out,
    ...createIpRedirect({ ...common, icmpSend }),
    icmpSend,
    networkSegLen: gso.networkSegLen,
    options,
  })
  const defrag = createIpDefrag({ ...common, frags, icmpSend })
  const mr = createMrForward({
    ...common,
    family: AF_INET,
    forwardFinish,
    networkSegLen: gso.networkSegLen,
    send: machine.ipi.send,
    timer: words(TIMER_WORDS),
  })
  const input = createIpInput({
    ...common,
    ...defrag,
    mr,
    ipForward,
    icmpSend,
    options,
    l3mdevRcv: link.l3mdevRcv,
    sourceRoute: createIpSourceRoute({ ...common, icmpSend }),
  })
  return { ...out, ...defrag, ...input, icmp, mr, ipOptions: options }
}
