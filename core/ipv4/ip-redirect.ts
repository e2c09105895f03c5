/**
 * ICMP redirects out: tells a host of this link that the next hop of its packet is on the same link. Ever more rarely, as
 * long as the host does not listen: nine times, then not for 20 seconds. Called by ip_forward for a packet that leaves by
 * the device it came in on; on a worker. RFC 792, 1812 section 5.2.7.2; Linux: net/ipv4/route.c ip_rt_send_redirect().
 */
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR, FL_DST, FL_IIF, FL_SADDR } from '../base/flowi.ts'
import type { Time } from '../base/time.ts'
import { TIME_MS } from '../base/time.ts'
import { hash32 } from '../base/u32.ts'
import { NH_FAMILY, NH_GATEWAY } from '../inet/nexthop-constants.ts'
import type { Arena } from '../shm/arena.ts'
import { CONF_ALL, Conf4, confRow } from '../shm/devconf.ts'
import * as icmp from '../wire/icmp.ts'
import type { AddrType } from '../inet/addr-type.ts'
import type { Icmp } from './icmp.ts'

type IpRedirectDeps = {
  arena: Arena
  time: Time
} & Pick<AddrType, 'isOnLink'> &
  Pick<Icmp, 'icmpSend'>

/** ip_rt_redirect_load, _number and _silence, as HZ 1000 makes them. */
const LOAD_MS = 20
const NUMBER = 9
const SILENCE_MS = LOAD_MS << (NUMBER + 1)

const PEER_BITS = 8
// Words of a peer: address, redirects sent, jiffies of the last.
const ADDR = 0
const SENT = 1
const LAST = 2
const PEER_WORDS = 3

export type IpRedirect = ReturnType<typeof createIpRedirect>

export const createIpRedirect = ({ arena, time, isOnLink, icmpSend }: IpRedirectDeps) => {
  const { i32 } = arena
  const all = confRow(arena, CONF_ALL)
  const peers = new Int32Array((1 << PEER_BITS) * PEER_WORDS)

  /** True when the peer may be told once more. */
  const allows = (addr: number): boolean => {
    const p = hash32(addr, PEER_BITS) * PEER_WORDS
    const since = (time[TIME_MS] - peers[p + LAST]) | 0
    if (peers[p + ADDR] !== addr || since > SILENCE_MS) {
      peers[p + ADDR] = addr
      peers[p + SENT] = 0
    }
    const sent = peers[p + SENT]
    if (sent >= NUMBER) {
      peers[p + LAST] = time[TIME_MS]
      return false
    }
    if (sent !== 0 && since <= LOAD_MS << sent) return false
    peers[p + SENT]++
    peers[p + LAST] = time[TIME_MS]
    return true
  }
  /** The packet, routed by `fl`, leaves by the device it came in on; it stays the caller's. */
  const sendRedirect = (skb: number, fl: Flowi): void => {
    const saddr = fl[FL_SADDR + 3]
    const conf = confRow(arena, fl[FL_IIF])
    if ((i32[all + Conf4.send_redirects] | i32[conf + Conf4.send_redirects]) === 0) return
    if (!isOnLink(saddr, fl[FL_IIF]) || !allows(saddr)) return
    const row = fl[FL_DST]
    const gateway = i32[row + NH_FAMILY] !== 0 ? i32[row + NH_GATEWAY + 3] : fl[FL_DADDR + 3]
    icmpSend(skb, icmp.ICMP_REDIRECT, icmp.ICMP_REDIR_HOST, gateway)
  }
  return { sendRedirect }
}
