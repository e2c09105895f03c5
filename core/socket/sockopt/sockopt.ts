/**
 * setsockopt and getsockopt: the protocol is asked first, since some options of SOL_SOCKET mean more to it than their
 * word (TCP's buffer sizes, keepalive); those that no protocol claims are words of the sock row. Worker only. Linux: sk_setsockopt (net/core/sock.c), do_ip_setsockopt.
 */
import { AF_INET, AF_PACKET } from '../../base/family.ts'
import { Errno } from '../../base/errno.ts'
import { NO_HOPS } from '../../inet/inet-constants.ts'
import type { IpOptionsSock } from '../../ipv4/options/ip-options-sock.ts'
import type { Arena } from '../../shm/arena.ts'
import { Sysctl } from '../../shm/sysctl.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.ts'
import type { InetSockopt } from './inet-sockopt.ts'
import type { McSockopt } from './mc-sockopt.ts'
import type { NameOption, Proto } from '../proto.ts'
import type { SkFilter } from '../sk-filter.ts'
import { createUnseenSockopt } from './unseen-sockopt.ts'
import {
  SO_TIMESTAMPING,
  SOF_TIMESTAMPING_DGRAM,
  SOF_TIMESTAMPING_RX,
  SOF_TIMESTAMPING_OPT_ID,
  SO_PRIORITY,
  IP_OPTIONS,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PATHMTU,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  BROADCAST,
  CMSG_MARK,
  CMSG_OVFL,
  CMSG_TIME,
  CMSG_TIME_NEW,
  CMSG_TIME_NS,
  FILTER_LOCKED,
  FREEBIND,
  INET_LOCALROUTE,
  INET_SELECT_ERR,
  IP_FREEBIND,
  IPV6_FREEBIND,
  IPV6_V6ONLY,
  REUSE_ADDR,
  REUSE_PORT,
  SO_ACCEPTCONN,
  SO_ATTACH_FILTER,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_DETACH_FILTER,
  SO_DONTROUTE,
  SO_LOCK_FILTER,
  SO_BINDTOIFINDEX,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_MARK,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVMARK,
  SO_PEEK_OFF,
  SO_MEMINFO,
  CMSG_PEEK_OFF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SELECT_ERR_QUEUE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SO_TYPE,
  SOL_RAW,
  SOL_SOCKET,
  V6ONLY,
} from '../socket-constants.ts'
import {
  SK_TSFLAGS,
  SK_PRIORITY,
  SK_BOUND_DEV,
  SK_COOKIE,
  SK_ERR_SOFT,
  SK_FAMILY,
  SK_MARK,
  SK_NUM,
  SK_PROTOCOL,
  SK_RCVBUF,
  SK_REUSE,
  SK_SNDBUF,
  SK_STATE,
  SK_TOS,
  SK_TTL,
  SK_TYPE,
  SK_RMEM,
  SK_WMEM,
  SK_WMEM_ALLOC,
  SK_DROPS,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  SOCK_RAW,
  SOCK_STREAM,
  TCP_LISTEN,
} from '../sock.ts'
import {
  skDstReset,
  withStamping,
  SK_TSKEY,
  SK_PEEK_OFF,
  familyOfSock,
  SK_CMSG,
  SK_INET_FLAGS,
  SK_HOPS,
  SK_TCLASS,
} from '../inet-sock.ts'

type SockoptDeps = {
  arena: Arena
  /** sockets.ts: what the socket's protocol does, TCP's (tcp/sock/tcp-proto.ts) or UDP's (udp/udp-sock.ts). */
  protoOf: (sk: number) => Proto
  mc: Pick<McSockopt, 'setMcOption' | 'getMcOption'>
  inet: InetSockopt
  filter: Pick<SkFilter, 'attach' | 'detach' | 'read'>
  ipOptions: IpOptionsSock
  /** sockets.ts: the error that waits on the socket. Typed by hand, as that file's type is made of this one's. */
  takeError: (sk: number) => number
}

/** The two bits of TOS that are ECN's (RFC 3168). */
const ECN_MASK = 3
/** TC_PRIO_BESTEFFORT, _BULK, _INTERACTIVE and _INTERACTIVE_BULK, by the two upper bits of what TOS once was (rt_tos2priority). */
const TOS_TO_PRIORITY = [0, 2, 6, 4]
const TOS_MASK = 0x18
/** What can still be doubled. */
const MAX_BUFFER = 0x3fffffff
/** Words of SO_MEMINFO, and what is in them. */
const MEMINFO = 9
const MEMINFO_WORDS = [
  [0, SK_RMEM],
  [1, SK_RCVBUF],
  [2, SK_WMEM_ALLOC],
  [3, SK_SNDBUF],
  [5, SK_WMEM],
  [8, SK_DROPS],
] as const
const { EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM } = Errno

export const createSockopt = ({
  arena,
  protoOf,
  takeError,
  mc,
  inet,
  filter,
  ipOptions,
}: SockoptDeps) => {
  const { i32 } = arena
  const { sysctl } = arena.layout

  const setBit = (sk: number, bit: number, on: number): number => {
    i32[sk + SK_REUSE] = on === 0 ? i32[sk + SK_REUSE] & ~bit : i32[sk + SK_REUSE] | bit
    return 0
  }
  const setWord = (sk: number, word: number, value: number): number => {
    i32[sk + word] = value
    return 0
  }
  /** An ifindex that may be a device's, or 0 for any. */
  const isDevice = (ifindex: number): boolean =>
    ifindex >= 0 && ifindex < arena.layout.config.devices
  /** Linux doubles what is asked for, bounded by {r,w}mem_max, to pay for overhead; below nothing is a lot. */
  const bufferSize = (value: number, min: number, max: number): number =>
    Math.max(min, Math.min(value >>> 0, i32[sysctl + max], MAX_BUFFER) * 2)

  /** What is locked stays so. */
  const lockFilter = (sk: number, on: number): number =>
    on === 0 && (i32[sk + SK_REUSE] & FILTER_LOCKED) !== 0 ? -EPERM : setBit(sk, FILTER_LOCKED, on)

  const doubled = (value: number): number => Math.min(Math.max(value, 0), MAX_BUFFER) * 2
  const setInetFlag = (sk: number, bit: number, on: number): number => {
    const flags = i32[sk + SK_INET_FLAGS]
    return setWord(sk, SK_INET_FLAGS, on === 0 ? flags & ~bit : flags | bit)
  }
  const inetFlag = (sk: number, bit: number): number =>
    (i32[sk + SK_INET_FLAGS] & bit) === 0 ? 0 : 1
  const unseen = { i32, setFlag: setInetFlag, flag: inetFlag, setWord }
  const { setUnseen, getUnseen } = createUnseenSockopt(unseen)
  /** What is told beside each packet. A stream's octets are no packet's: it is told of the time alone. */
  const setTold = (sk: number, bit: number, on: number): number =>
    setWord(sk, SK_CMSG, on === 0 ? i32[sk + SK_CMSG] & ~bit : i32[sk + SK_CMSG] | bit)
  const isTold = (sk: number, bit: number): number => ((i32[sk + SK_CMSG] & bit) === 0 ? 0 : 1)

  /** __sock_set_timestamps(): one of the four is on, whichever was last; any of them turns it off. */
  const setTimestamp = (sk: number, bits: number, on: number): number => {
    const others = i32[sk + SK_CMSG] & ~(CMSG_TIME | CMSG_TIME_NS)
    if (on === 0) return setWord(sk, SK_CMSG, others)
    return setWord(sk, SK_CMSG, (others & ~CMSG_TIME_NEW) | CMSG_TIME | bits)
  }
  /** Are all `wanted` of these bits set, and no other of `mask`? */
  const timestamp = (sk: number, mask: number, wanted: number): number =>
    (i32[sk + SK_CMSG] & mask) === wanted ? 1 : 0

  /** When packets are stamped, those of packet sockets as they come (streams: tcp/snd/tcp-tstamp.ts). They are counted from the time that somebody asks for it. */
  const setTimestamping = (sk: number, flags: number): number => {
    const isLink = i32[sk + SK_FAMILY] === AF_PACKET
    if ((flags & ~(isLink ? SOF_TIMESTAMPING_RX : SOF_TIMESTAMPING_DGRAM)) !== 0) return -EINVAL
    if ((flags & ~i32[sk + SK_TSFLAGS] & SOF_TIMESTAMPING_OPT_ID) !== 0) i32[sk + SK_TSKEY] = 0
    setWord(sk, SK_CMSG, withStamping(i32[sk + SK_CMSG], flags))
    return setWord(sk, SK_TSFLAGS, flags)
  }
  /** Those that count octets (struct proto_ops: set_peek_off). */
  const hasPeekOff = (sk: number): boolean =>
    i32[sk + SK_FAMILY] !== AF_PACKET &&
    (i32[sk + SK_PROTOCOL] === IPPROTO_TCP || i32[sk + SK_PROTOCOL] === IPPROTO_UDP) &&
    i32[sk + SK_TYPE] !== SOCK_RAW
  const setPeekOff = (sk: number, value: number): number => {
    if (!hasPeekOff(sk)) return -EOPNOTSUPP
    setTold(sk, CMSG_PEEK_OFF, value < 0 ? 0 : 1)
    return setWord(sk, SK_PEEK_OFF, value + 1)
  }
  const setSocket = (sk: number, name: number, value: number): number | null => {
    switch (name) {
      case SO_TIMESTAMP:
        return setTimestamp(sk, 0, value)
      case SO_TIMESTAMPNS:
        return setTimestamp(sk, CMSG_TIME_NS, value)
      case SO_TIMESTAMP_NEW:
        return setTimestamp(sk, CMSG_TIME_NEW, value)
      case SO_TIMESTAMPNS_NEW:
        return setTimestamp(sk, CMSG_TIME_NS | CMSG_TIME_NEW, value)
      case SO_TIMESTAMPING:
        return setTimestamping(sk, value)
      case SO_REUSEADDR:
        return setBit(sk, REUSE_ADDR, value)
      case SO_REUSEPORT:
        // links have no ports (sk_is_inet)
        return value !== 0 && i32[sk + SK_FAMILY] === AF_PACKET
          ? -EOPNOTSUPP
          : setBit(sk, REUSE_PORT, value)
      case SO_BROADCAST:
        return setBit(sk, BROADCAST, value)
      case SO_DETACH_FILTER:
        return filter.detach(sk)
      case SO_LOCK_FILTER:
        return lockFilter(sk, value)
      case SO_RCVBUF:
        return setWord(sk, SK_RCVBUF, bufferSize(value, SOCK_MIN_RCVBUF, Sysctl.rmem_max))
      case SO_SNDBUF:
        return setWord(sk, SK_SNDBUF, bufferSize(value, SOCK_MIN_SNDBUF, Sysctl.wmem_max))
      case SO_RCVBUFFORCE:
        return setWord(sk, SK_RCVBUF, Math.max(SOCK_MIN_RCVBUF, doubled(value)))
      case SO_SNDBUFFORCE:
        return setWord(sk, SK_SNDBUF, Math.max(SOCK_MIN_SNDBUF, doubled(value)))
      case SO_DONTROUTE:
        skDstReset(i32, sk)
        return setInetFlag(sk, INET_LOCALROUTE, value)
      case SO_SELECT_ERR_QUEUE:
        return setInetFlag(sk, INET_SELECT_ERR, value)
      case SO_MARK:
        return setWord(sk, SK_MARK, value)
      case SO_PRIORITY:
        return setWord(sk, SK_PRIORITY, value)
      case SO_RXQ_OVFL:
        return setTold(sk, CMSG_OVFL, value)
      case SO_RCVMARK:
        return setTold(sk, CMSG_MARK, value)
      case SO_PEEK_OFF:
        return setPeekOff(sk, value)
      case SO_BINDTODEVICE:
        return isDevice(value) ? setWord(sk, SK_BOUND_DEV, value) : -ENODEV
      case SO_BINDTOIFINDEX:
        // of a device that is not there yet, or no more
        return value < 0 ? -EINVAL : setWord(sk, SK_BOUND_DEV, value)
    }
    return null
  }
  /** The ECN bits of a stream are its protocol's. */
  const tosOf = (sk: number, word: number, value: number): number =>
    i32[sk + SK_TYPE] === SOCK_STREAM ? (value & ~ECN_MASK) | (i32[sk + word] & ECN_MASK) : value
  const tosWord = (level: number): number => (level === IPPROTO_IP ? SK_TOS : SK_TCLASS)
  const hopsWord = (level: number): number => (level === IPPROTO_IP ? SK_TTL : SK_HOPS)
  /** IPv4 takes the low octet of anything, IPv6 -1 for the default (do_ip_setsockopt, do_ipv6_setsockopt). */
  const setTos = (sk: number, level: number, value: number): number => {
    if (level === IPPROTO_IPV6 && (value < -1 || value > 255)) return -EINVAL
    const tos = level === IPPROTO_IPV6 && value === -1 ? 0 : value & 255
    const word = tosWord(level)
    const kept = tosOf(sk, word, tos)
    // of what changes (__ip_sock_set_tos)
    if (level === IPPROTO_IP && kept !== i32[sk + word])
      i32[sk + SK_PRIORITY] = TOS_TO_PRIORITY[(kept & TOS_MASK) >> 3]
    return setWord(sk, word, kept)
  }
  const setIp = (sk: number, level: number, name: number, value: number): number | null => {
    // what has its number stays what it is
    if (level === IPPROTO_IPV6 && name === IPV6_V6ONLY)
      return i32[sk + SK_NUM] !== 0 ? -EINVAL : setBit(sk, V6ONLY, value)
    if (name === (level === IPPROTO_IP ? IP_FREEBIND : IPV6_FREEBIND))
      return setBit(sk, FREEBIND, value)
    if (name === (level === IPPROTO_IP ? IP_TOS : IPV6_TCLASS)) {
      return setTos(sk, level, value)
    }
    if (name === (level === IPPROTO_IP ? IP_TTL : IPV6_UNICAST_HOPS)) {
      if (value === -1) return setWord(sk, hopsWord(level), 0)
      if (value === 0 && level === IPPROTO_IPV6) return setWord(sk, SK_HOPS, NO_HOPS)
      return value < 1 || value > 255 ? -EINVAL : setWord(sk, hopsWord(level), value)
    }
    return null
  }
  const isIp = (sk: number, level: number): boolean =>
    (level === IPPROTO_IP || level === IPPROTO_IPV6) && inet.speaks(sk, level)
  /** 0 or -errno. Both ways to bind to a device take an ifindex. */
  const setsockopt = (sk: number, level: number, name: number, value: number): number => {
    const answer = protoOf(sk).setOption?.(sk, level, name, value) ?? -ENOPROTOOPT
    if (answer !== -ENOPROTOOPT) return answer
    if (level === SOL_SOCKET)
      return setSocket(sk, name, value) ?? setUnseen(sk, name, value) ?? -ENOPROTOOPT
    if (!isIp(sk, level)) return -ENOPROTOOPT
    const inetAnswer = inet.setOption(sk, level, name, value)
    if (inetAnswer !== -ENOPROTOOPT) return inetAnswer
    return setIp(sk, level, name, value) ?? mc.setMcOption(sk, level, name, value)
  }

  /** What was remembered of a connection that lives on. */
  const takeSoftError = (sk: number): number => {
    const error = i32[sk + SK_ERR_SOFT]
    i32[sk + SK_ERR_SOFT] = 0
    return error
  }
  const getSocket = (sk: number, name: number): number | null => {
    switch (name) {
      case SO_TIMESTAMP:
        return timestamp(sk, CMSG_TIME | CMSG_TIME_NS | CMSG_TIME_NEW, CMSG_TIME)
      case SO_TIMESTAMPNS:
        return timestamp(sk, CMSG_TIME_NS | CMSG_TIME_NEW, CMSG_TIME_NS)
      case SO_TIMESTAMP_NEW:
        return timestamp(sk, CMSG_TIME | CMSG_TIME_NEW, CMSG_TIME | CMSG_TIME_NEW)
      case SO_TIMESTAMPNS_NEW:
        return timestamp(sk, CMSG_TIME_NS | CMSG_TIME_NEW, CMSG_TIME_NS | CMSG_TIME_NEW)
      case SO_TIMESTAMPING:
        return i32[sk + SK_TSFLAGS]
      case SO_REUSEADDR:
        return (i32[sk + SK_REUSE] & REUSE_ADDR) === 0 ? 0 : 1
      case SO_REUSEPORT:
        return (i32[sk + SK_REUSE] & REUSE_PORT) === 0 ? 0 : 1
      case SO_BROADCAST:
        return (i32[sk + SK_REUSE] & BROADCAST) === 0 ? 0 : 1
      case SO_LOCK_FILTER:
        return (i32[sk + SK_REUSE] & FILTER_LOCKED) === 0 ? 0 : 1
      case SO_RCVBUF:
        return i32[sk + SK_RCVBUF]
      case SO_SNDBUF:
        return i32[sk + SK_SNDBUF]
      case SO_DONTROUTE:
        return inetFlag(sk, INET_LOCALROUTE)
      case SO_SELECT_ERR_QUEUE:
        return inetFlag(sk, INET_SELECT_ERR)
      case SO_MARK:
        return i32[sk + SK_MARK]
      case SO_PRIORITY:
        return i32[sk + SK_PRIORITY]
      case SO_RXQ_OVFL:
        return isTold(sk, CMSG_OVFL)
      case SO_RCVMARK:
        return isTold(sk, CMSG_MARK)
      case SO_PEEK_OFF:
        return hasPeekOff(sk) ? i32[sk + SK_PEEK_OFF] - 1 : -EOPNOTSUPP
      case SO_MEMINFO:
        return i32[sk + SK_RMEM]
      case SO_BINDTODEVICE:
      case SO_BINDTOIFINDEX:
        return i32[sk + SK_BOUND_DEV]
      case SO_ERROR:
        return takeError(sk) || takeSoftError(sk)
      case SO_TYPE:
        return i32[sk + SK_TYPE]
      case SO_DOMAIN:
        return familyOfSock(i32, sk)
      case SO_PROTOCOL:
        return i32[sk + SK_PROTOCOL]
      case SO_ACCEPTCONN:
        return i32[sk + SK_STATE] === TCP_LISTEN ? 1 : 0
    }
    return null
  }
  const getIp = (sk: number, level: number, name: number): number | null => {
    if (level === IPPROTO_IPV6 && name === IPV6_V6ONLY)
      return (i32[sk + SK_REUSE] & V6ONLY) === 0 ? 0 : 1
    if (name === (level === IPPROTO_IP ? IP_FREEBIND : IPV6_FREEBIND))
      return (i32[sk + SK_REUSE] & FREEBIND) === 0 ? 0 : 1
    if (name === (level === IPPROTO_IP ? IP_TOS : IPV6_TCLASS)) return i32[sk + tosWord(level)]
    if (name === (level === IPPROTO_IP ? IP_TTL : IPV6_UNICAST_HOPS)) {
      const ttl = i32[sk + hopsWord(level)]
      if (ttl === NO_HOPS) return 0
      return ttl > 0 ? ttl : i32[sysctl + Sysctl.ip_default_ttl]
    }
    return null
  }
  /** Of a level that is nobody's IPv4 says something else than the others do (ip_getsockopt, ipv6_getsockopt). */
  const unknownLevel = (sk: number, level: number): number => {
    const isNobodys = familyOfSock(i32, sk) === AF_INET && level !== ownLevel(sk)
    return isNobodys ? -EOPNOTSUPP : -ENOPROTOOPT
  }
  /** The level of its protocol's own options. */
  const ownLevel = (sk: number): number =>
    i32[sk + SK_TYPE] === SOCK_RAW ? SOL_RAW : i32[sk + SK_PROTOCOL]
  /** The value, or -errno (no option has a negative value). */
  const getsockopt = (sk: number, level: number, name: number): number => {
    const answer = protoOf(sk).getOption?.(sk, level, name) ?? -ENOPROTOOPT
    if (answer !== -ENOPROTOOPT) return answer
    if (level === SOL_SOCKET) return getSocket(sk, name) ?? getUnseen(sk, name) ?? -ENOPROTOOPT
    if (!isIp(sk, level)) return unknownLevel(sk, level)
    const inetAnswer = inet.getOption(sk, level, name)
    if (inetAnswer !== -ENOPROTOOPT) return inetAnswer
    return getIp(sk, level, name) ?? mc.getMcOption(sk, level, name)
  }

  /** Options whose value is a name or words; see Proto. 0 or its length, or -errno. */
  const setsockoptName: NonNullable<Proto['setNameOption']> = (sk, level, name, words, at, len) => {
    if (level === SOL_SOCKET && name === SO_ATTACH_FILTER) return filter.attach(sk, words, at, len)
    if (isIpOptions(sk, level, name)) return setIpOptions(sk, words, at, len)
    if (level === IPPROTO_IPV6 && name === IPV6_PKTINFO && isIp(sk, level))
      return inet.setStickyPktinfo(sk, words, at, len)
    return protoOf(sk).setNameOption?.(sk, level, name, words, at, len) ?? -ENOPROTOOPT
  }
  /** Packet sockets have none. */
  const isIpOptions = (sk: number, level: number, name: number): boolean =>
    level === IPPROTO_IP && name === IP_OPTIONS && i32[sk + SK_FAMILY] !== AF_PACKET
  const setIpOptions = (sk: number, words: Int32Array, at: number, len: number): number => {
    const answer = ipOptions.setOptions(sk, words, at, len)
    if (answer === 0 && i32[sk + SK_FAMILY] === AF_INET) protoOf(sk).syncMss?.(sk)
    return answer
  }
  const cookie = (sk: number, words: Int32Array, at: number): number => {
    words[at] = i32[sk + SK_COOKIE]
    words[at + 1] = 0
    return 8
  }
  /** SK_MEMINFO_*: nobody here has memory set aside, options of its own or a backlog (sk_get_meminfo). */
  const meminfo = (sk: number, words: Int32Array, at: number): number => {
    words.fill(0, at, at + MEMINFO)
    for (const [k, word] of MEMINFO_WORDS) words[at + k] = i32[sk + word]
    return MEMINFO << 2
  }
  /** As a word, which may be negative. */
  const peekOff = (sk: number, words: Int32Array, at: number): number => {
    if (!hasPeekOff(sk)) return -EOPNOTSUPP
    words[at] = i32[sk + SK_PEEK_OFF] - 1
    return 4
  }
  const getsockoptName: NameOption = (sk, level, name, words, at) => {
    if (level === SOL_SOCKET && name === SO_MEMINFO) return meminfo(sk, words, at)
    if (level === SOL_SOCKET && name === SO_PEEK_OFF) return peekOff(sk, words, at)
    if (level === SOL_SOCKET && name === SO_ATTACH_FILTER) return filter.read(sk, words, at)
    if (level === SOL_SOCKET && name === SO_COOKIE) return cookie(sk, words, at)
    if (isIpOptions(sk, level, name)) return ipOptions.getOptions(sk, words, at)
    if (level === IPPROTO_IPV6 && name === IPV6_PATHMTU && isIp(sk, level))
      return inet.getPathMtu(sk, words, at)
    const answer = protoOf(sk).getNameOption?.(sk, level, name, words, at) ?? -ENOPROTOOPT
    const isUnknown = answer === -ENOPROTOOPT && level !== SOL_SOCKET && !isIp(sk, level)
    return isUnknown ? unknownLevel(sk, level) : answer
  }
  return { setsockopt, getsockopt, setsockoptName, getsockoptName }
}
