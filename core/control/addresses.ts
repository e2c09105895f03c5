/**
 * RTM_*ADDR: interface addresses between text and core/inet/ifaddr.ts, with the defaults of `ip addr` and the
 * kernel's words. Linux: net/ipv4/devinet.c (inet_rtm_newaddr), net/ipv6/addrconf.c.
 */
import { AF_INET } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import { IFA_F_NOPREFIXROUTE, IFA_F_PERMANENT, IFA_F_SECONDARY } from '../inet/ifaddr-constants.ts'
import type { Ifaddr, Ifaddrs } from '../inet/ifaddr.ts'
import { RT_SCOPE_HOST, RT_SCOPE_UNIVERSE } from '../inet/nexthop-constants.ts'
import { scopeOf6 } from '../inet/source.ts'
import type { Addr } from '../wire/text.ts'
import { addrLen, formatAddr, formatIpv4, parseAddr, parseIpv4, parsePrefix } from '../wire/text.ts'
import type { Outcome } from './answers.ts'
import { changed, chunks, isRefused } from './answers.ts'
import type { Links } from './links.ts'
import type {
  AddressInfo,
  AddressItem,
  AddressSpec,
  DumpOf,
  MessageOf,
  Refused,
} from './messages.ts'
import { NLM_F_EXCL, NLM_F_REPLACE } from './messages.ts'
import { noSuchDevice, refuse, refuseAs, scopeNames } from './names.ts'
import { addrOf, familyName, familyOf } from './route-text.ts'

const FOREVER = 4294967295

export const formatIfaddr = (at: Ifaddr, label: string): AddressInfo => ({
  family: familyName(at.family),
  local: formatAddr(addrOf(at.family, at.words)),
  prefixlen: at.prefixlen,
  ...(at.broadcast !== 0 && { broadcast: formatIpv4(at.broadcast) }),
  scope: scopeNames.format(at.scope),
  ...((at.flags & IFA_F_SECONDARY) !== 0 && { secondary: true }),
  ...((at.flags & IFA_F_NOPREFIXROUTE) !== 0 && { noprefixroute: true }),
  ...(at.family === AF_INET
    ? { label }
    : (at.flags & IFA_F_PERMANENT) !== 0 && { permanent: true }),
  valid_life_time: FOREVER,
  preferred_life_time: FOREVER,
})

export const createAddresses = ({ links, ifaddrs }: { links: Links; ifaddrs: Ifaddrs }) => {
  const info = (at: Ifaddr): AddressInfo => formatIfaddr(at, links.nameOf(at.ifindex))

  /** The link with these of its addresses. */
  const item = (ifindex: number, addresses: readonly Ifaddr[]): AddressItem => {
    const {
      ifname,
      link,
      flags,
      mtu,
      qdisc,
      operstate,
      group,
      txqlen,
      link_type,
      address,
      broadcast,
    } = links.item(ifindex)
    return {
      ifindex,
      ...(link !== undefined && { link }),
      ifname,
      flags,
      mtu,
      qdisc,
      operstate,
      group,
      txqlen,
      link_type,
      address,
      broadcast,
      addr_info: addresses.map(info),
    }
  }

  const parseLocal = ({
    local,
    prefixlen,
  }: Pick<AddressSpec, 'local' | 'prefixlen'>): Addr | Refused => {
    const addr = parseAddr(local)
    if (addr === null)
      return refuseAs(
        Errno.EINVAL,
        `Error: inet prefix is expected rather than "${local}".`,
        'local'
      )
    if (!(Number.isInteger(prefixlen) && prefixlen >= 0 && prefixlen <= addrLen(addr.family)))
      return refuseAs(
        Errno.EINVAL,
        `Error: inet prefix is expected rather than "${local}/${prefixlen}".`,
        'prefixlen'
      )
    return addr
  }
  /** '+' is the network's last address, as `brd +`. */
  const parseBroadcast = (spec: AddressSpec, addr: Addr): number | null => {
    if (spec.broadcast === undefined) return 0
    if (addr.family !== 4) return null
    if (spec.broadcast !== '+') return parseIpv4(spec.broadcast)
    const mask = spec.prefixlen === 0 ? 0 : -1 << (32 - spec.prefixlen)
    return spec.prefixlen > 30 ? 0 : addr.words[3] | ~mask
  }
  const defaultScope = ({ family, words }: Addr): number => {
    if (family === 6) return scopeOf6(...words)
    return words[3] >>> 24 === 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE
  }
  const isUsable = ({ family, words }: Addr): boolean =>
    family === 4
      ? words[3] >>> 28 < 14 && words[3] !== 0
      : words[0] >>> 24 !== 0xff && words.some((word) => word !== 0)

  const newAddr = ({ address: spec, flags }: MessageOf<'RTM_NEWADDR'>): Outcome<AddressInfo> => {
    const ifindex = links.ifindexOf(spec.dev)
    if (ifindex === 0) return noSuchDevice(spec.dev)
    const addr = parseLocal(spec)
    if (isRefused(addr)) return addr
    if (!isUsable(addr)) return refuse(Errno.EADDRNOTAVAIL, undefined, 'local')
    const scope = spec.scope === undefined ? defaultScope(addr) : scopeNames.parse(spec.scope)
    if (scope === null)
      return refuseAs(
        Errno.EINVAL,
        `Error: argument "${spec.scope}" is wrong: invalid scope value.`,
        'scope'
      )
    const broadcast = parseBroadcast(spec, addr)
    if (broadcast === null)
      return refuseAs(
        Errno.EINVAL,
        `Error: inet address is expected rather than "${spec.broadcast}".`,
        'broadcast'
      )
    const known = ifaddrs.find(ifindex, addr.words, spec.prefixlen)
    if (known !== undefined && (flags & NLM_F_REPLACE) !== 0 && (flags & NLM_F_EXCL) === 0)
      return changed(info(known))
    const isNoPrefix = spec.flags?.includes('noprefixroute') ?? false
    const error = ifaddrs.add({
      ifindex,
      family: familyOf(addr),
      words: addr.words,
      prefixlen: spec.prefixlen,
      scope,
      flags: isNoPrefix ? IFA_F_NOPREFIXROUTE : 0,
      broadcast,
    })
    const words =
      addr.family === 4 ? 'ipv4: Address already assigned' : 'ipv6: address already assigned'
    if (error === -Errno.EEXIST) return refuse(Errno.EEXIST, words, 'local')
    if (error === -Errno.EINVAL) return refuse(Errno.EINVAL, 'ipv4: Invalid scope value', 'scope')
    if (error !== 0) return refuse(-error)
    return changed(info(ifaddrs.find(ifindex, addr.words, spec.prefixlen)!))
  }

  const delAddr = ({ address }: MessageOf<'RTM_DELADDR'>): Outcome<AddressInfo> => {
    const ifindex = links.ifindexOf(address.dev)
    if (ifindex === 0) return noSuchDevice(address.dev)
    const addr = parseLocal(address)
    if (isRefused(addr)) return addr
    const at = ifaddrs.find(ifindex, addr.words, address.prefixlen)
    if (at === undefined) {
      const words = addr.family === 4 ? 'ipv4: Address not found' : 'ipv6: address not found'
      return refuse(Errno.EADDRNOTAVAIL, words, 'local')
    }
    const last = info(at)
    ifaddrs.remove(ifindex, addr.words, address.prefixlen)
    return changed(last)
  }

  /** Links with their addresses; a filter leaves out addresses, and links that then have none. */
  const dump = (
    filter: NonNullable<DumpOf<'RTM_GETADDR'>['filter']> = {}
  ): Iterable<AddressItem[]> => {
    const isFiltered =
      filter.family !== undefined || filter.scope !== undefined || filter.to !== undefined
    const to = filter.to === undefined ? null : parsePrefix(filter.to)
    const bits = to === null ? 0 : to.prefixlen + (to.family === 4 ? 96 : 0)
    const isUnder = (at: Ifaddr): boolean =>
      to !== null &&
      familyOf(to) === at.family &&
      at.words.every((word, k) => {
        const kept = bits - k * 32
        return kept <= 0 || ((word ^ to.words[k]) & (kept >= 32 ? -1 : -1 << (32 - kept))) === 0
      })
    const wanted = (at: Ifaddr): boolean =>
      (filter.family === undefined || familyName(at.family) === filter.family) &&
      (filter.scope === undefined || at.scope === scopeNames.parse(filter.scope)) &&
      (filter.to === undefined || isUnder(at))
    const all = ifaddrs.list().filter(wanted)
    const items = links
      .list()
      .filter((ifindex) => filter.dev === undefined || links.nameOf(ifindex) === filter.dev)
      .map((ifindex) =>
        item(
          ifindex,
          all.filter((at) => at.ifindex === ifindex)
        )
      )
      .filter(({ addr_info }) => !isFiltered || addr_info.length > 0)
    return chunks(items)
  }
  return { newAddr, delAddr, dump, item }
}
