/**
 * Source address selection, on any thread: IPv4 as Linux's inet_select_addr, IPv6 as RFC 6724 without its
 * policy table (ipv6_dev_get_saddr). Reads the shared address rows; called by route.ts for senders that have
 * not bound an address.
 */
import { AF_INET, AF_INET6 } from '../base/family.ts'
import type { Flowi } from '../base/flowi.ts'
import { FL_DADDR, FL_SADDR } from '../base/flowi.ts'
import type { Arena } from '../shm/arena.ts'
import { IFADDR_WORDS } from '../shm/layout.ts'
import {
  IFA_ADDR,
  IFA_F_DEPRECATED,
  IFA_F_SECONDARY,
  IFA_F_TENTATIVE,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_IFINDEX,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_SERIAL,
  IFA_TOP,
} from './ifaddr-constants.ts'
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from './nexthop-constants.ts'

const isMulticast6 = (w0: number): boolean => w0 >>> 24 === 0xff

/** RT_SCOPE_* of an IPv6 address: loopback is the host's, fe80::/10 and ff02:: the link's. */
export const scopeOf6 = (w0: number, w1: number, w2: number, w3: number): number => {
  if (isMulticast6(w0)) {
    const scope = (w0 >>> 16) & 15
    return scope <= 1 ? RT_SCOPE_HOST : scope === 2 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
  }
  if (w0 >>> 22 === 0x3fa) return RT_SCOPE_LINK
  return w0 === 0 && w1 === 0 && w2 === 0 && w3 === 1 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE
}

/** Leading bits that a[at..] and b[bt..] share, 0..128. */
const commonBits = (a: Int32Array, at: number, b: Int32Array, bt: number): number => {
  for (let k = 0; k < 4; k++) {
    const differ = a[at + k] ^ b[bt + k]
    if (differ !== 0) return k * 32 + Math.clz32(differ)
  }
  return 128
}

export const createSourceSelection = (arena: Arena) => {
  const { i32, layout } = arena
  const rows = layout.ifaddrs

  /** First primary address of ifindex (0: of any) in scope; with `near` one whose network holds it, if any. */
  const primary4 = (ifindex: number, near: number, scope: number): number => {
    const end = rows + i32[rows + IFA_TOP] * IFADDR_WORDS
    let best = 0
    let bestSerial = 0
    for (let row = rows + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      const dev = i32[row + IFA_IFINDEX]
      if (dev === 0 || i32[row + IFA_FAMILY] !== AF_INET) continue
      if (ifindex !== 0 ? dev !== ifindex : i32[row + IFA_SCOPE] === RT_SCOPE_LINK) continue
      if ((i32[row + IFA_FLAGS] & IFA_F_SECONDARY) !== 0 || i32[row + IFA_SCOPE] > scope) continue
      const plen = i32[row + IFA_PREFIXLEN]
      const addr = i32[row + IFA_ADDR + 3]
      if (near !== 0 && (plen === 0 || ((addr ^ near) & (-1 << (32 - plen))) === 0)) return addr
      const serial = i32[row + IFA_SERIAL]
      if (best !== 0 && serial > bestSerial) continue
      best = addr
      bestSerial = serial
    }
    return best
  }

  /** Source for what leaves by ifindex towards `near` (the gateway, or the destination); 0 is none. */
  const select4 = (ifindex: number, near: number, scope: number): number => {
    const addr = primary4(ifindex, near, scope)
    return addr !== 0 ? addr : primary4(0, 0, scope)
  }

  /** Is row a better source than `best` for FL_DADDR leaving by ifindex? RFC 6724 section 5. */
  const better6 = (
    row: number,
    best: number,
    fl: Flowi,
    ifindex: number,
    scope: number
  ): boolean => {
    if (best === 0) return true
    const share = commonBits(i32, row + IFA_ADDR, fl, FL_DADDR)
    const bestShare = commonBits(i32, best + IFA_ADDR, fl, FL_DADDR)
    // rule 1: the same address
    if (share === 128 || bestShare === 128) return share === 128
    // rule 2: the smallest scope that is large enough; a larger number is a smaller scope
    const mine = i32[row + IFA_SCOPE]
    const theirs = i32[best + IFA_SCOPE]
    if (mine !== theirs) return mine > theirs ? mine <= scope : theirs > scope
    // rule 3: not a deprecated one
    const deprecated = i32[row + IFA_FLAGS] & IFA_F_DEPRECATED
    if (deprecated !== (i32[best + IFA_FLAGS] & IFA_F_DEPRECATED)) return deprecated === 0
    // rule 5: of the outgoing interface
    const here = i32[row + IFA_IFINDEX] === ifindex
    if (here !== (i32[best + IFA_IFINDEX] === ifindex)) return here
    // rule 6, of the policy table only its last line: unique local (fc00::/7) to unique local
    const wanted = fl[FL_DADDR] >>> 25 === 0x7e
    const local = i32[row + IFA_ADDR] >>> 25 === 0x7e
    if (local !== (i32[best + IFA_ADDR] >>> 25 === 0x7e)) return local === wanted
    // rule 8: the longest matching prefix
    return share > bestShare
  }

  /** Fills FL_SADDR for FL_DADDR leaving by ifindex; false when there is no address to use. */
  const select6 = (fl: Flowi, ifindex: number): boolean => {
    const scope = scopeOf6(fl[FL_DADDR], fl[FL_DADDR + 1], fl[FL_DADDR + 2], fl[FL_DADDR + 3])
    const onLink = scope === RT_SCOPE_LINK || isMulticast6(fl[FL_DADDR])
    const end = rows + i32[rows + IFA_TOP] * IFADDR_WORDS
    let best = 0
    for (let row = rows + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      const dev = i32[row + IFA_IFINDEX]
      if (dev === 0 || i32[row + IFA_FAMILY] !== AF_INET6) continue
      if ((i32[row + IFA_FLAGS] & IFA_F_TENTATIVE) !== 0) continue
      // a link's or host's address is of no use elsewhere, nor another link's for what stays on this one
      if (dev !== ifindex && (onLink || i32[row + IFA_SCOPE] >= RT_SCOPE_LINK)) continue
      if (better6(row, best, fl, ifindex, scope)) best = row
    }
    if (best === 0) return false
    for (let k = 0; k < 4; k++) fl[FL_SADDR + k] = i32[best + IFA_ADDR + k]
    return true
  }

  return { select4, select6 }
}
