/**
 * The options of IP that any socket of the two families may have: flags, numbers, and what is asked of a socket's route. They are
 * words at the end of its row, past those of its protocol. sockopt.ts asks here; who acts on them reads the words. Worker only.
 * Linux: do_ip_setsockopt() (net/ipv4/ip_sockglue.c), do_ipv6_setsockopt() (net/ipv6/ipv6_sockglue.c).
 */
import * as bytes from '../../base/bytes.ts'
import { AF_INET, AF_INET6, copyAddr, familyOf } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { bindFlow, createFlowi, FL_DADDR, FL_FAMILY, FL_MARK, FL_MTU } from '../../base/flowi.ts'
import type { Pmtu } from '../../inet/dst/pmtu.ts'
import { isDevice, l3mdevOf } from '../../netdev/netdev.ts'
import type { Arena } from '../../shm/arena.ts'
import type { ErrQueue } from '../msg/errqueue.ts'
import {
  SK_BOUND_DEV,
  SK_DADDR,
  SK_MARK,
  SK_NUM,
  SK_STATE,
  SK_TYPE,
  SOCK_RAW,
  SOCK_STREAM,
  TCP_CLOSE,
  TCP_LISTEN,
} from '../sock.ts'
import {
  familyOfSock,
  hasAutoLabel,
  pmtudiscOf,
  SK_CMSG,
  SK_FRAG_SIZE,
  SK_INET_FLAGS,
  SK_LOCAL_PORTS,
  SK_MIN_TTL,
  SK_PMTUDISC,
  SK_SRC_PREFS,
  SK_STICKY_ADDR,
  SK_STICKY_IF,
  SK_UNICAST_IF,
} from '../inet-sock.ts'
import {
  CMSG_FLOWINFO6,
  CMSG_FRAGSIZE,
  CMSG_FRAGSIZE6,
  CMSG_HOPLIMIT6,
  CMSG_OPTIONS,
  CMSG_ORIGDST,
  CMSG_ORIGDST6,
  CMSG_PATHMTU6,
  CMSG_PKTINFO,
  CMSG_PKTINFO6,
  CMSG_RETOPTS,
  CMSG_TCLASS6,
  CMSG_TOS,
  CMSG_TTL,
  INET_AUTOFLOWLABEL,
  INET_AUTOFLOWLABEL_SET,
  INET_DONTFRAG,
  INET_NO_PORT,
  INET_RECVERR,
  INET_SNDFLOW,
  INET_TRANSPARENT,
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IP_MINTTL,
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_WANT,
  IP_PKTINFO,
  IP_PROTOCOL,
  IP_RECVERR,
  IP_RECVFRAGSIZE,
  IP_RECVOPTS,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_RETOPTS,
  IP_TRANSPARENT,
  IP_UNICAST_IF,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_ADDR_PREFERENCES,
  IPV6_AUTOFLOWLABEL,
  IPV6_DONTFRAG,
  IPV6_FLOWINFO,
  IPV6_FLOWINFO_SEND,
  IPV6_MINHOPCOUNT,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  IPV6_PATHMTU,
  IPV6_RECVERR,
  IPV6_RECVFRAGSIZE,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVORIGDSTADDR,
  IPV6_RECVPATHMTU,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_TRANSPARENT,
  IPV6_UNICAST_IF,
} from '../socket-constants.ts'
import { IP6_MTUINFO } from '../msg/rx-pmtu.ts'
import { keptSrcPrefs, shownSrcPrefs } from './src-prefs.ts'

type InetSockoptDeps = { arena: Arena; errqueue: Pick<ErrQueue, 'purge'> } & Pick<
  Pmtu,
  'routeOutput'
>
export type InetSockopt = ReturnType<typeof createInetSockopt>

const { EADDRNOTAVAIL, EINVAL, ENOPROTOOPT, ENOTCONN } = Errno
const IPV6_MIN_MTU = 1280
/** Octets of struct in6_pktinfo. */
const IN6_PKTINFO = 20

/** Options that are a bit of a word. */
type Flag = { level: number; name: number; word: number; bit: number }
const flag = (level: number, name: number, bit: number): Flag => {
  return { level, name, word: SK_INET_FLAGS, bit }
}
const told = (level: number, name: number, bit: number): Flag => {
  return { level, name, word: SK_CMSG, bit }
}
const FLAGS: readonly Flag[] = [
  flag(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, INET_NO_PORT),
  flag(IPPROTO_IP, IP_TRANSPARENT, INET_TRANSPARENT),
  flag(IPPROTO_IPV6, IPV6_TRANSPARENT, INET_TRANSPARENT),
  flag(IPPROTO_IP, IP_RECVERR, INET_RECVERR),
  flag(IPPROTO_IPV6, IPV6_RECVERR, INET_RECVERR << 1),
  // a stream's segments are never cut
  flag(IPPROTO_IPV6, IPV6_DONTFRAG, INET_DONTFRAG),
  flag(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, INET_SNDFLOW),
  // of a stream they go into IP_PKTOPTIONS (tcp/sock/tcp-pktoptions.ts), or nowhere
  told(IPPROTO_IP, IP_PKTINFO, CMSG_PKTINFO),
  told(IPPROTO_IP, IP_RECVTTL, CMSG_TTL),
  told(IPPROTO_IP, IP_RECVTOS, CMSG_TOS),
  told(IPPROTO_IP, IP_RECVOPTS, CMSG_OPTIONS),
  told(IPPROTO_IP, IP_RETOPTS, CMSG_RETOPTS),
  told(IPPROTO_IP, IP_RECVORIGDSTADDR, CMSG_ORIGDST),
  told(IPPROTO_IP, IP_RECVFRAGSIZE, CMSG_FRAGSIZE),
  told(IPPROTO_IPV6, IPV6_RECVPKTINFO, CMSG_PKTINFO6),
  told(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, CMSG_HOPLIMIT6),
  told(IPPROTO_IPV6, IPV6_RECVTCLASS, CMSG_TCLASS6),
  told(IPPROTO_IPV6, IPV6_FLOWINFO, CMSG_FLOWINFO6),
  told(IPPROTO_IPV6, IPV6_RECVPATHMTU, CMSG_PATHMTU6),
  told(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, CMSG_ORIGDST6),
  told(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, CMSG_FRAGSIZE6),
]

/** A device's number as options of IP have it, in network order. */
const swapped = (value: number): number =>
  (value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24)

export const createInetSockopt = ({ arena, errqueue, routeOutput }: InetSockoptDeps) => {
  const { i32 } = arena
  const fl = createFlowi()

  /** Is this level one of the socket's? One of IPv6 has IPv4's as well, but for raw ones, which speak IPv6 alone. */
  const speaks = (sk: number, level: number): boolean => {
    const family = familyOfSock(i32, sk)
    if (level === IPPROTO_IPV6) return family === AF_INET6
    return family === AF_INET || (family === AF_INET6 && i32[sk + SK_TYPE] !== SOCK_RAW)
  }
  const flagOf = (level: number, name: number): Flag | undefined =>
    FLAGS.find((each) => each.level === level && each.name === name)
  const setWord = (sk: number, word: number, value: number): number => {
    i32[sk + word] = value
    return 0
  }
  const setFlag = (sk: number, { level, name, word, bit }: Flag, on: number): number => {
    // who does not want errors any more gets those of before no more either
    if (on === 0 && name === (level === IPPROTO_IP ? IP_RECVERR : IPV6_RECVERR)) errqueue.purge(sk)
    return setWord(sk, word, on === 0 ? i32[sk + word] & ~bit : i32[sk + word] | bit)
  }
  const indexOf = (level: number): 0 | 1 => (level === IPPROTO_IP ? 0 : 1)
  const setPmtudisc = (sk: number, index: number, value: number): number =>
    value < 0 || value > IP_PMTUDISC_OMIT
      ? -EINVAL
      : setWord(sk, SK_PMTUDISC + index, value ^ IP_PMTUDISC_WANT)

  const setUnicastIf = (sk: number, index: number, ifindex: number): number => {
    if (ifindex !== 0 && !isDevice(arena, ifindex)) return -EADDRNOTAVAIL
    const bound = i32[sk + SK_BOUND_DEV]
    if (ifindex !== 0 && bound !== 0 && l3mdevOf(arena, ifindex) !== bound) return -EINVAL
    return setWord(sk, SK_UNICAST_IF + index, ifindex)
  }
  const setLocalPorts = (sk: number, value: number): number => {
    const [low, high] = [value & 0xffff, value >>> 16]
    return low !== 0 && high !== 0 && low > high ? -EINVAL : setWord(sk, SK_LOCAL_PORTS, value)
  }
  const setFragSize = (sk: number, value: number): number =>
    value !== 0 && value < IPV6_MIN_MTU ? -EINVAL : setWord(sk, SK_FRAG_SIZE, value)
  const setAutoLabel = (sk: number, on: number): number => {
    const flags = i32[sk + SK_INET_FLAGS] & ~INET_AUTOFLOWLABEL
    const bits = INET_AUTOFLOWLABEL_SET | (on === 0 ? 0 : INET_AUTOFLOWLABEL)
    return setWord(sk, SK_INET_FLAGS, flags | bits)
  }
  const setSrcPrefs = (sk: number, value: number): number => {
    const prefs = keptSrcPrefs(value)
    return prefs < 0 ? prefs : setWord(sk, SK_SRC_PREFS, prefs)
  }
  const setOption = (sk: number, level: number, name: number, value: number): number => {
    const found = flagOf(level, name)
    const isStream = i32[sk + SK_TYPE] === SOCK_STREAM
    if (isStream && level === IPPROTO_IP && name === IP_RECVFRAGSIZE) return -EINVAL
    if (found !== undefined) return setFlag(sk, found, value)
    const index = indexOf(level)
    if (name === (index === 0 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER))
      return setPmtudisc(sk, index, value)
    // streams leave by the way to their peer
    if (name === (index === 0 ? IP_UNICAST_IF : IPV6_UNICAST_IF))
      return setUnicastIf(sk, index, swapped(value))
    if (name === (index === 0 ? IP_MINTTL : IPV6_MINHOPCOUNT))
      return value < 0 || value > 255 ? -EINVAL : setWord(sk, SK_MIN_TTL + index, value)
    // raw sockets have no ports, ping sockets numbers of their own: there it is kept
    if (index === 0 && name === IP_LOCAL_PORT_RANGE) return setLocalPorts(sk, value)
    if (index === 1 && name === IPV6_AUTOFLOWLABEL) return setAutoLabel(sk, value)
    if (index === 1 && name === IPV6_ADDR_PREFERENCES) return setSrcPrefs(sk, value)
    // streams are cut to what fits anyway
    return index === 1 && name === IPV6_MTU ? setFragSize(sk, value) : -ENOPROTOOPT
  }

  /** What the way to the socket's peer takes, once it has one. */
  const pathMtu = (sk: number): number => {
    const state = i32[sk + SK_STATE]
    if (state === TCP_CLOSE || state === TCP_LISTEN) return -ENOTCONN
    fl.fill(0)
    fl[FL_FAMILY] = familyOf(i32, sk + SK_DADDR)
    bindFlow(fl, i32[sk + SK_BOUND_DEV])
    fl[FL_MARK] = i32[sk + SK_MARK]
    copyAddr(fl, FL_DADDR, i32, sk + SK_DADDR)
    return routeOutput(fl) === 0 ? fl[FL_MTU] : -ENOTCONN
  }
  /** IPV6_PATHMTU as an option: struct ip6_mtuinfo of nobody's address. Its octets, or -errno. */
  const getPathMtu = (sk: number, words: Int32Array, at: number): number => {
    const mtu = pathMtu(sk)
    if (mtu < 0) return mtu
    words.fill(0, at, at + (IP6_MTUINFO >> 2) - 1)
    words[at + (IP6_MTUINFO >> 2) - 1] = mtu
    return IP6_MTUINFO
  }
  const getOption = (sk: number, level: number, name: number): number => {
    const found = flagOf(level, name)
    if (found !== undefined) return (i32[sk + found.word] & found.bit) === 0 ? 0 : 1
    const index = indexOf(level)
    if (name === (index === 0 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER))
      return pmtudiscOf(i32, sk, index)
    if (name === (index === 0 ? IP_MTU : IPV6_MTU)) return pathMtu(sk)
    if (name === (index === 0 ? IP_MINTTL : IPV6_MINHOPCOUNT)) return i32[sk + SK_MIN_TTL + index]
    if (name === (index === 0 ? IP_UNICAST_IF : IPV6_UNICAST_IF))
      return swapped(i32[sk + SK_UNICAST_IF + index])
    if (index === 1 && name === IPV6_AUTOFLOWLABEL) return hasAutoLabel(arena, sk) ? 1 : 0
    if (index === 1 && name === IPV6_ADDR_PREFERENCES) return shownSrcPrefs(i32[sk + SK_SRC_PREFS])
    // a number has no room for it
    if (index === 1 && name === IPV6_PATHMTU) return -EINVAL
    if (index === 1) return -ENOPROTOOPT
    // of raw sockets the protocol is their number
    if (name === IP_PROTOCOL) return i32[sk + SK_NUM]
    return name === IP_LOCAL_PORT_RANGE ? i32[sk + SK_LOCAL_PORTS] : -ENOPROTOOPT
  }
  /**
   * IPV6_PKTINFO as an option (RFC 3542 section 6.2): datagrams leave by its device. Its address is told again
   * (IPV6_2292PKTOPTIONS), and nothing is sent from it, as in Linux.
   */
  const setStickyPktinfo = (sk: number, words: Int32Array, at: number, len: number): number => {
    if (len < IN6_PKTINFO) return -EINVAL
    const ifindex = words[at + 4]
    const bound = i32[sk + SK_BOUND_DEV]
    const isOf =
      ifindex === bound || (isDevice(arena, ifindex) && l3mdevOf(arena, ifindex) === bound)
    if (bound !== 0 && !isOf) return -EINVAL
    i32[sk + SK_STICKY_IF] = ifindex
    const octets = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
    for (let w = 0; w < 4; w++) i32[sk + SK_STICKY_ADDR + w] = bytes.i32(octets, (at + w) << 2)
    return 0
  }
  return { speaks, setOption, getOption, getPathMtu, setStickyPktinfo }
}
