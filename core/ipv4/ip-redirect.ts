/**
 * ICMP redirects out: tells a host of this link that the next hop of its packet is on the same link. Ever more rarely, as
 * long as the host does not listen: nine times, then not for 20 seconds. Called by ip_forward; on a worker. RFC 792, 1812
 * section 5.2.7.2; Linux: net/ipv4/route.c ip_rt_send_redirect().
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR, FL_SADDR } from '../base/flowi.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import type { DoRedirect } from '../inet/dst/do-redirect.ts'
import { type InetPeers, PEER_LAST, PEER_REDIRECTS, PEER_TOKENS } from '../inet/dst/inet-peer.ts'
import type { Arena } from '../shm/arena.ts'
import * as icmp from '../wire/icmp.ts'
import type { Icmp } from './icmp/icmp.ts'

type IpRedirectDeps = {
  arena: Arena
  time: Time
  peers: InetPeers
} & Pick<DoRedirect, 'wantsRedirect' | 'gatewayOf'> &
  Pick<Icmp, 'icmpSend'>

/** ip_rt_redirect_load, _number and _silence, as HZ 1000 makes them. */
const LOAD_MS = 20
const NUMBER = 9
const SILENCE_MS = LOAD_MS << (NUMBER + 1)

export type IpRedirect = ReturnType<typeof createIpRedirect>

export const createIpRedirect = (deps: IpRedirectDeps) => {
  const { time, peers, wantsRedirect, gatewayOf, icmpSend } = deps
  const { table } = peers

  /** True when the peer may be told once more. */
  const allows = (p: number): boolean => {
    const since = (time[TIME_MS] - table[p + PEER_LAST]) | 0
    if (since > SILENCE_MS) {
      table[p + PEER_TOKENS] = 0
      table[p + PEER_REDIRECTS] = 0
    }
    const sent = table[p + PEER_REDIRECTS]
    if (sent >= NUMBER) {
      table[p + PEER_LAST] = time[TIME_MS]
      return false
    }
    return sent === 0 || since > LOAD_MS << sent
  }
  /** The packet, routed by `fl`, stays the caller's. */
  const sendRedirect = (skb: number, fl: Flowi): void => {
    if (!wantsRedirect(fl)) return
    const gateway = gatewayOf(fl)
    const p = peers.find(fl, FL_SADDR)
    if (!allows(p)) return
    icmpSend(
      skb,
      icmp.ICMP_REDIRECT,
      icmp.ICMP_REDIR_HOST,
      gateway !== 0 ? gateway : fl[FL_DADDR + 3]
    )
    table[p + PEER_LAST] = time[TIME_MS]
    table[p + PEER_REDIRECTS]++
  }
  return { sendRedirect }
}
