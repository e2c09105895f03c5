/**
 * Socket options that mean more to TCP than a word of the sock row, or that it alone has: which file of this room has which. The
 * others are socket/sockopt/sockopt.ts's, which asks here first. Cold. Called by the socket layer on the worker.
 * Linux: tcp_setsockopt(), tcp_getsockopt(); numbers of linux/tcp.h.
 */
import { Errno } from '../../../base/errno.ts'
import type { Time } from '../../../base/time.ts'
import type { Proto } from '../../../socket/proto.ts'
import {
  SOL_SOCKET,
  TCP_CONGESTION,
  TCP_FASTOPEN_KEY,
  TCP_MD5SIG,
} from '../../../socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../wire/ipproto.ts'
import type { TcpCong } from '../cong/tcp-cong.ts'
import { getTcpInfo } from '../sock/tcp-get-info.ts'
import type { TcpMd5 } from '../sock/tcp-md5.ts'
import type { TcpPktoptions } from '../sock/tcp-pktoptions.ts'
import { createTcpSockoptFastopen } from './tcp-sockopt-fastopen.ts'
import { createTcpSockoptFlow, type TcpSockoptFlowDeps } from './tcp-sockopt-flow.ts'
import { createTcpSockoptSocket, type TcpSockoptSocketDeps } from './tcp-sockopt-socket.ts'
import { createTcpSockoptTimes, type TcpSockoptTimesDeps } from './tcp-sockopt-times.ts'

// Numbers that nobody else names.
const TCP_INFO = 11
const TCP_THIN_DUPACK = 17
const TCP_REPAIR = 19
const TCP_ULP = 31
const TCP_IS_MPTCP = 43

type TcpSockoptDeps = {
  time: Time
  cong: TcpCong
  md5: Pick<TcpMd5, 'setKey'>
} & TcpSockoptSocketDeps &
  TcpSockoptTimesDeps &
  TcpSockoptFlowDeps &
  Pick<TcpPktoptions, 'getPktoptions'>

const { EINVAL, ENOENT, ENOPROTOOPT, EPERM } = Errno

export const createTcpSockopt = (deps: TcpSockoptDeps) => {
  const { time, cong, md5, getPktoptions } = deps
  const { i32 } = deps.arena
  const { setSocket, getSocket } = createTcpSockoptSocket(deps)
  const { setTimes, getTimes } = createTcpSockoptTimes(deps)
  const { setFlow, getFlow } = createTcpSockoptFlow(deps)
  const { setFastopen, getFastopen, setKeys, getKeys } = createTcpSockoptFastopen(deps)

  /** What asks for what there is not, or no more. */
  const setNothing = (name: number, value: number): number => {
    switch (name) {
      case TCP_THIN_DUPACK:
        // Linux does nothing any more
        return value < 0 || value > 1 ? -EINVAL : 0
      case TCP_ULP:
        // there are none: no name of one is known
        return -ENOENT
      case TCP_REPAIR:
        // who may have it looks into the kernel
        return -EPERM
    }
    return -ENOPROTOOPT
  }
  const getNothing = (name: number): number => {
    switch (name) {
      case TCP_THIN_DUPACK:
      case TCP_ULP:
      case TCP_REPAIR:
      case TCP_IS_MPTCP:
        return 0
    }
    return -ENOPROTOOPT
  }
  const setTcp = (sk: number, name: number, value: number): number =>
    setFlow(sk, name, value) ??
    setTimes(sk, name, value) ??
    setFastopen(sk, name, value) ??
    setNothing(name, value)
  const getTcp = (sk: number, name: number): number =>
    getFlow(sk, name) ?? getTimes(sk, name) ?? getFastopen(sk, name) ?? getNothing(name)

  /** setsockopt(2) with an int; 0 or -errno. */
  const setOption = (sk: number, level: number, name: number, value: number): number => {
    if (level === SOL_SOCKET) return setSocket(sk, name, value)
    return level === IPPROTO_TCP ? setTcp(sk, name, value) : -ENOPROTOOPT
  }
  /** getsockopt(2) of an int, or -errno. */
  const getOption = (sk: number, level: number, name: number): number => {
    if (level === SOL_SOCKET) return getSocket(sk, name)
    return level === IPPROTO_TCP ? getTcp(sk, name) : -ENOPROTOOPT
  }

  /** Options whose value is no number: TCP_CONGESTION, a name, TCP_FASTOPEN_KEY and TCP_MD5SIG, of `len` octets. */
  const setNameOption: NonNullable<Proto['setNameOption']> = (sk, level, name, words, at, len) => {
    if (level !== IPPROTO_TCP) return -ENOPROTOOPT
    if (name === TCP_CONGESTION) return cong.setByName(sk, words, at)
    if (name === TCP_MD5SIG) return md5.setKey(sk, words, at, len)
    return name === TCP_FASTOPEN_KEY ? setKeys(sk, words, at, len) : -ENOPROTOOPT
  }
  /** How long the value is, or -errno. */
  const getNameOption: NonNullable<Proto['getNameOption']> = (sk, level, name, words, at) => {
    if (level !== IPPROTO_TCP) return getPktoptions(sk, level, name, words, at)
    if (name === TCP_CONGESTION) return cong.getName(sk, words, at)
    if (name === TCP_INFO) return getTcpInfo(i32, sk, time, words, at)
    return name === TCP_FASTOPEN_KEY ? getKeys(sk, words, at) : -ENOPROTOOPT
  }

  return { setOption, getOption, setNameOption, getNameOption }
}
