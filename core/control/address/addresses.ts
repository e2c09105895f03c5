/**
 * RTM_*ADDR: what the kernel checks of an interface's address before core/inet/addr/ifaddr.ts takes it.
 * Linux: net/ipv4/devinet.c (inet_rtm_newaddr), net/ipv6/addrconf.c.
 */
import { Errno } from '../../base/errno.ts'
import { AF_INET } from '../../base/family.ts'
import type { Ifaddrs } from '../../inet/addr/ifaddr.ts'
import { IFA_F_MANAGETEMPADDR, IFA_F_TEMPORARY } from '../../inet/addr/ifaddr-constants.ts'
import type { Ifaddr } from '../../inet/addr/ifaddr-held.ts'
import type { Outcome } from '../rtnl/answers.ts'
import { changed, chunks, refuse } from '../rtnl/answers.ts'
import type { AddressFilter, MessageOf } from '../rtnetlink.ts'
import { NLM_F_EXCL, NLM_F_REPLACE } from '../nlm-flags.ts'
import type { Links } from '../links/links.ts'

type AddressesDeps = {
  ifaddrs: Ifaddrs
} & Pick<Links, 'isDevice'>

export const createAddresses = ({ ifaddrs, isDevice }: AddressesDeps) => {
  const isUsable = ({ family, words }: Ifaddr): boolean =>
    family === AF_INET
      ? words[3] >>> 28 < 14 && words[3] !== 0
      : words[0] >>> 24 !== 0xff && words.some((word) => word !== 0)

  const newAddr = ({ address, flags }: MessageOf<'RTM_NEWADDR'>): Outcome<Ifaddr> => {
    const { ifindex, words, prefixlen, family } = address
    if (!isDevice(ifindex)) return refuse(Errno.ENODEV, null, 'dev')
    const { validLft, preferredLft } = address
    if (validLft === 0 || preferredLft > validLft) {
      const version = family === AF_INET ? 'ipv4' : 'ipv6'
      return refuse(Errno.EINVAL, `${version}: address lifetime invalid`, 'valid_life_time')
    }
    if (!isUsable(address)) return refuse(Errno.EADDRNOTAVAIL, null, 'local')
    const hasTemporary = (address.flags & IFA_F_MANAGETEMPADDR) !== 0
    if (hasTemporary && prefixlen !== 64) {
      const why = 'ipv6: address with "mngtmpaddr" flag must have a prefix length of 64'
      return refuse(Errno.EINVAL, why, 'prefixlen')
    }
    const known = ifaddrs.find(ifindex, words, prefixlen)
    if (known !== undefined && (flags & NLM_F_REPLACE) !== 0 && (flags & NLM_F_EXCL) === 0) {
      if (hasTemporary && (known.flags & IFA_F_TEMPORARY) !== 0) return refuse(Errno.EINVAL)
      ifaddrs.modify(address)
      return changed(ifaddrs.find(ifindex, words, prefixlen)!)
    }
    const error = ifaddrs.add(address)
    const taken =
      family === AF_INET ? 'ipv4: Address already assigned' : 'ipv6: address already assigned'
    if (error === -Errno.EEXIST) return refuse(Errno.EEXIST, taken, 'local')
    if (error === -Errno.EINVAL) return refuse(Errno.EINVAL, 'ipv4: Invalid scope value', 'scope')
    if (error === -Errno.EACCES)
      return refuse(Errno.EACCES, 'ipv6: IPv6 is disabled on this device', 'dev')
    if (error !== 0) return refuse(-error)
    return changed(ifaddrs.find(ifindex, words, prefixlen)!)
  }

  const delAddr = ({ address }: MessageOf<'RTM_DELADDR'>): Outcome<Ifaddr> => {
    const { ifindex, words, prefixlen, family } = address
    if (!isDevice(ifindex)) return refuse(Errno.ENODEV, null, 'dev')
    const at = ifaddrs.find(ifindex, words, prefixlen)
    if (at === undefined) {
      const none = family === AF_INET ? 'ipv4: Address not found' : 'ipv6: address not found'
      return refuse(Errno.EADDRNOTAVAIL, none, 'local')
    }
    ifaddrs.remove(ifindex, words, prefixlen)
    return changed(at)
  }

  const isUnder = (at: Ifaddr, to: NonNullable<AddressFilter['to']>): boolean => {
    const bits = to.family === AF_INET ? 96 + to.plen : to.plen
    return (
      to.family === at.family &&
      at.words.every((word, k) => {
        const kept = bits - k * 32
        return kept <= 0 || ((word ^ to.words[k]) & (kept >= 32 ? -1 : -1 << (32 - kept))) === 0
      })
    )
  }
  const dump = ({ family, ifindex, scope, to }: AddressFilter = {}): Iterable<Ifaddr[]> =>
    chunks(
      ifaddrs
        .list()
        .filter(
          (at) =>
            (family === undefined || at.family === family) &&
            (ifindex === undefined || at.ifindex === ifindex) &&
            (scope === undefined || at.scope === scope) &&
            (to === undefined || isUnder(at, to))
        )
    )
  return { newAddr, delAddr, dump }
}
