/**
 * Source address selection, on any thread: IPv4 as Linux's inet_select_addr, IPv6 as RFC 6724 with the labels of Linux's
 * policy table (ipv6_dev_get_saddr, net/ipv6/addrlabel.c). Reads the shared address rows; called by route.ts for senders that have
 * not bound an address.
 */
import { AF_INET, AF_INET6, V4_MAPPED } from '../../base/family.ts'
import type { Flowi } from '../../base/flowi.ts'
import { FL_DADDR, FL_F_SRC_PUBLIC, FL_F_SRC_TMP, FL_FLAGS, FL_SADDR } from '../../base/flowi.ts'
import type { Arena } from '../../shm/arena.ts'
import { CONF_ALL, Conf6, confRow } from '../../shm/devconf.ts'
import { IFADDR_WORDS } from '../../shm/layout.ts'
import {
  IFA_ADDR,
  IFA_FAMILY,
  IFA_FLAGS,
  IFA_F_DEPRECATED,
  IFA_F_OPTIMISTIC,
  IFA_F_SECONDARY,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  IFA_IFINDEX,
  IFA_PREFIXLEN,
  IFA_SCOPE,
  IFA_SERIAL,
  IFA_TOP,
} from './ifaddr-constants.ts'
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_SITE,
  RT_SCOPE_UNIVERSE,
} from '../fib/nexthop-constants.ts'
import { l3mdevOf } from '../../netdev/netdev.ts'

const isMulticast6 = (w0: number): boolean => w0 >>> 24 === 0xff

/** RT_SCOPE_* of an IPv6 address: loopback is the host's, fe80::/10 and ff02:: the link's, fec0::/10 and up to ff05:: the site's. */
export const scopeOf6 = (w0: number, w1: number, w2: number, w3: number): number => {
  if (isMulticast6(w0)) {
    const scope = (w0 >>> 16) & 15
    if (scope <= 2) return scope === 2 ? RT_SCOPE_LINK : RT_SCOPE_HOST
    return scope <= 5 ? RT_SCOPE_SITE : RT_SCOPE_UNIVERSE
  }
  if (w0 >>> 22 === 0x3fa) return RT_SCOPE_LINK
  if (w0 >>> 22 === 0x3fb) return RT_SCOPE_SITE
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

/** 2001:10::/28. */
const isOrchid = (words: Int32Array, at: number): boolean => words[at] >>> 4 === 0x2001001
/** Labels of the policy table (RFC 6724 section 2.1, with those that RFC 5220 and Linux know besides). */
const labelOf = (words: Int32Array, at: number): number => {
  const first = words[at]
  if (isLow(words, at)) return labelOfLow(words[at + 2], words[at + 3])
  // 2001::/32 Teredo
  if (first === 0x20010000) return 6
  if (isOrchid(words, at)) return 7
  // 2002::/16 6to4, 3ffe::/16 6bone, fc00::/7 unique local, fec0::/10 site-local
  if (first >>> 16 === 0x2002) return 2
  if (first >>> 16 === 0x3ffe) return 12
  if (first >>> 25 === 0x7e) return 5
  return first >>> 22 === 0x3fb ? 11 : 1
}
const isLow = (words: Int32Array, at: number): boolean => (words[at] | words[at + 1]) === 0
/** ::1, ::ffff:0:0/96 mapped, ::/96 compatible, and the rest of ::/64. */
const labelOfLow = (w2: number, w3: number): number => {
  if (w2 === V4_MAPPED) return 4
  if (w2 !== 0) return 1
  return w3 === 1 ? 0 : 3
}

/** Neither those nor what is yet to be tried is chosen (RFC 5227 section 2.1). */
const NOT_PRIMARY = IFA_F_SECONDARY | IFA_F_TENTATIVE

export type SourceSelection = ReturnType<typeof createSourceSelection>

export const createSourceSelection = (arena: Arena) => {
  const { i32, layout } = arena
  const rows = layout.ifaddrs

  /**
   * First primary address of ifindex (0: of any in the domain) in scope; with `near` one whose network holds it, if any. Linux has them
   * device by device, narrower scopes first, and then as they were added (__inet_insert_ifa).
   */
  const primary4 = (ifindex: number, l3mdev: number, near: number, scope: number): number => {
    const end = rows + i32[rows + IFA_TOP] * IFADDR_WORDS
    let best = 0
    for (let row = rows + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      const dev = i32[row + IFA_IFINDEX]
      if (dev === 0 || i32[row + IFA_FAMILY] !== AF_INET) continue
      if (ifindex !== 0 ? dev !== ifindex : !mayStandIn4(row, l3mdev)) continue
      if ((i32[row + IFA_FLAGS] & NOT_PRIMARY) !== 0 || i32[row + IFA_SCOPE] > scope) continue
      if (best === 0 || isBefore4(row, best, near)) best = row
    }
    return best === 0 ? 0 : i32[best + IFA_ADDR + 3]
  }
  const mayStandIn4 = (row: number, l3mdev: number): boolean =>
    i32[row + IFA_SCOPE] !== RT_SCOPE_LINK && l3mdevOf(arena, i32[row + IFA_IFINDEX]) === l3mdev
  const isBefore4 = (a: number, b: number, near: number): boolean =>
    (prefer(holds4(b, near), holds4(a, near)) ||
      i32[a + IFA_IFINDEX] - i32[b + IFA_IFINDEX] ||
      i32[b + IFA_SCOPE] - i32[a + IFA_SCOPE] ||
      i32[a + IFA_SERIAL] - i32[b + IFA_SERIAL]) < 0
  const holds4 = (row: number, near: number): boolean => {
    const plen = i32[row + IFA_PREFIXLEN]
    return (
      near !== 0 && (plen === 0 || ((i32[row + IFA_ADDR + 3] ^ near) & (-1 << (32 - plen))) === 0)
    )
  }

  /** Source for what leaves by ifindex towards `near` (the gateway, or the destination); 0 is none. */
  const select4 = (ifindex: number, near: number, scope: number): number => {
    const l3mdev = l3mdevOf(arena, ifindex)
    const own = primary4(ifindex, l3mdev, near, scope)
    if (own !== 0) return own
    // a VRF is the loopback of its domain (inet_select_addr)
    const ofVrf = l3mdev === 0 ? 0 : primary4(l3mdev, l3mdev, 0, scope)
    return ofVrf !== 0 ? ofVrf : primary4(0, l3mdev, 0, scope)
  }
  const hasAddress4 = (ifindex: number): boolean => primary4(ifindex, 0, 0, RT_SCOPE_HOST) !== 0

  /** RFC 6724 section 5, rule by rule: positive when row `a` is the better source for FL_DADDR by ifindex than row `b`. */
  const compare6 = (a: number, b: number, fl: Flowi, ifindex: number, scope: number): number => {
    const shareA = commonBits(i32, a + IFA_ADDR, fl, FL_DADDR)
    const shareB = commonBits(i32, b + IFA_ADDR, fl, FL_DADDR)
    return (
      // 1: the same address
      prefer(shareA === 128, shareB === 128) ||
      // 2: the smallest scope that is large enough, else the largest
      scopeWorth(a, scope) - scopeWorth(b, scope) ||
      // 3: not a deprecated one
      prefer(isPreferred(a) && isSure(a), isPreferred(b) && isSure(b)) ||
      // 5: of the outgoing interface
      prefer(i32[a + IFA_IFINDEX] === ifindex, i32[b + IFA_IFINDEX] === ifindex) ||
      // ... else of the VRF itself (ipv6_dev_get_saddr)
      prefer(isVrf(i32[a + IFA_IFINDEX]), isVrf(i32[b + IFA_IFINDEX])) ||
      // 6: the label of the destination
      compareLabels(a, b, labelOf(fl, FL_DADDR)) ||
      // 7: a temporary one, or one that stays, as the sender or its device has it
      prefer(isOfKind(a, fl[FL_FLAGS]), isOfKind(b, fl[FL_FLAGS])) ||
      // a key's hash (RFC 4843) speaks to its like
      prefer(isOrchid(i32, a + IFA_ADDR), isOrchid(i32, b + IFA_ADDR)) *
        (isOrchid(fl, FL_DADDR) ? 1 : -1) ||
      // 8: the longest prefix in common, of its own network's length at most
      Math.min(shareA, i32[a + IFA_PREFIXLEN]) - Math.min(shareB, i32[b + IFA_PREFIXLEN]) ||
      // the first that Linux comes to: device by device, on each from the newest on
      i32[b + IFA_IFINDEX] - i32[a + IFA_IFINDEX] ||
      i32[a + IFA_SERIAL] - i32[b + IFA_SERIAL]
    )
  }
  const isOfKind = (row: number, flags: number): boolean => {
    const wanted =
      (flags & (FL_F_SRC_TMP | FL_F_SRC_PUBLIC)) === 0
        ? i32[confRow(arena, i32[row + IFA_IFINDEX]) + Conf6.use_tempaddr] >= 2
        : (flags & FL_F_SRC_TMP) !== 0
    return has(row, IFA_F_TEMPORARY) === wanted
  }
  const isVrf = (ifindex: number): boolean => l3mdevOf(arena, ifindex) === ifindex
  const prefer = (a: boolean, b: boolean): number => Number(a) - Number(b)
  const has = (row: number, flag: number): boolean => (i32[row + IFA_FLAGS] & flag) !== 0
  /** Addresses below ::/64, which hold IPv4's or are the host's own, do not age in Linux (ipv6_saddr_preferred). */
  const isPreferred = (row: number): boolean =>
    !has(row, IFA_F_DEPRECATED) ||
    (isLow(i32, row + IFA_ADDR) &&
      labelOfLow(i32[row + IFA_ADDR + 2], i32[row + IFA_ADDR + 3]) !== 1)
  /** Nobody knows whether it is ours, or somebody else has it. */
  const isUntried = (row: number): boolean =>
    has(row, IFA_F_TENTATIVE) && !has(row, IFA_F_OPTIMISTIC)
  /** What is not tried yet is used only where nothing else is to be had (RFC 4429 section 3.3), or is as good as others. */
  const isSure = (row: number): boolean =>
    !has(row, IFA_F_OPTIMISTIC) ||
    i32[confRow(arena, i32[row + IFA_IFINDEX]) + Conf6.use_optimistic] !== 0 ||
    i32[confRow(arena, CONF_ALL) + Conf6.use_optimistic] !== 0
  /** A larger number is a smaller scope (RT_SCOPE_*). */
  const scopeWorth = (row: number, scope: number): number => {
    const own = i32[row + IFA_SCOPE]
    return own <= scope ? own : -own
  }
  const compareLabels = (a: number, b: number, label: number): number =>
    prefer(labelOf(i32, a + IFA_ADDR) === label, labelOf(i32, b + IFA_ADDR) === label)

  const usesOwnAlone = (ifindex: number): boolean =>
    i32[confRow(arena, ifindex) + Conf6.use_oif_addrs_only] !== 0 ||
    i32[confRow(arena, CONF_ALL) + Conf6.use_oif_addrs_only] !== 0

  /** Fills FL_SADDR for FL_DADDR leaving by ifindex; false when there is no address to use. */
  const select6 = (fl: Flowi, ifindex: number): boolean => {
    const scope = scopeOf6(fl[FL_DADDR], fl[FL_DADDR + 1], fl[FL_DADDR + 2], fl[FL_DADDR + 3])
    const onLink = scope >= RT_SCOPE_LINK || isMulticast6(fl[FL_DADDR]) || usesOwnAlone(ifindex)
    const end = rows + i32[rows + IFA_TOP] * IFADDR_WORDS
    const l3mdev = l3mdevOf(arena, ifindex)
    let best = 0
    for (let row = rows + IFADDR_WORDS; row < end; row += IFADDR_WORDS) {
      const dev = i32[row + IFA_IFINDEX]
      if (dev === 0 || i32[row + IFA_FAMILY] !== AF_INET6 || isUntried(row)) continue
      if (l3mdevOf(arena, dev) !== l3mdev) continue
      // of no use is another link's address for what stays on its link
      if (onLink && dev !== ifindex) continue
      if (best === 0 || compare6(row, best, fl, ifindex, scope) > 0) best = row
    }
    if (best === 0) return false
    for (let k = 0; k < 4; k++) fl[FL_SADDR + k] = i32[best + IFA_ADDR + k]
    return true
  }

  return { hasAddress4, select4, select6 }
}
