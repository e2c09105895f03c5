/**
 * IPV6_ADDR_PREFERENCES (RFC 5014): which of its addresses a socket's packets are to come from, where it has not bound one. Of what
 * is asked for a word of its row keeps the temporary or public, and the care-of address; no address here is made of a key, and home
 * addresses are like others, as in Linux without CONFIG_IPV6_MIP6. inet/addr/source.ts chooses. Worker only.
 * Linux: ip6_sock_set_addr_preferences() (include/net/ipv6.h), do_ipv6_getsockopt().
 */
import { Errno } from '../../base/errno.ts'
import {
  IPV6_PREFER_SRC_CGA,
  IPV6_PREFER_SRC_COA,
  IPV6_PREFER_SRC_HOME,
  IPV6_PREFER_SRC_NONCGA,
  IPV6_PREFER_SRC_PUBLIC,
  IPV6_PREFER_SRC_PUBTMP_DEFAULT,
  IPV6_PREFER_SRC_TMP,
} from '../socket-constants.ts'

const KIND = IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBLIC
/** Of each of these one may be asked for; none is the default. */
const CHOICES = [
  KIND | IPV6_PREFER_SRC_PUBTMP_DEFAULT,
  IPV6_PREFER_SRC_HOME | IPV6_PREFER_SRC_COA,
  IPV6_PREFER_SRC_CGA | IPV6_PREFER_SRC_NONCGA,
]
const isOneAtMost = (bits: number): boolean => (bits & (bits - 1)) === 0

/** What is kept of what is asked for, or -errno. */
export const keptSrcPrefs = (value: number): number =>
  CHOICES.every((choice) => isOneAtMost(value & choice))
    ? value & (KIND | IPV6_PREFER_SRC_COA)
    : -Errno.EINVAL
/** As the option shows it. */
export const shownSrcPrefs = (kept: number): number =>
  ((kept & KIND) === 0 ? IPV6_PREFER_SRC_PUBTMP_DEFAULT : kept & KIND) |
  ((kept & IPV6_PREFER_SRC_COA) === 0 ? IPV6_PREFER_SRC_HOME : IPV6_PREFER_SRC_COA)
