/**
 * What each submission of an application does: reads the record's words and calls app-channel.ts or the socket
 * layer. Called by app-port.ts for each record of a submission ring. Worker only. The words are another thread's:
 * names are range-checked here, an skb by app-skb.ts, the rest by who uses it.
 */
import { BPF_MAXINSNS, INSN_WORDS } from '../bpf/bpf-constants.ts'
import { copyAddr, isV4Mapped } from '../base/family.ts'
import { Errno } from '../base/errno.ts'
import type { Arena } from '../shm/arena.ts'
import type { ConsumeFn } from '../skb/drop.ts'
import { RX_HEADROOM, SKB_DATA, SKB_LEN } from '../skb/skb.ts'
import type { Skbs } from '../skb/skbs.ts'
import type { AppChannel } from './app-channel.ts'
import { createTakeControl } from './app-control.ts'
import type { AppCompletions } from './app-completions.ts'
import { rowOf } from './app-sids.ts'
import {
  APP_SIDS,
  AppOp,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_CONTROL,
  E_LEN,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
  E_USER,
} from './app-constants.ts'
import {
  IPPROTO_IP,
  IPPROTO_IPV6,
  MSG_DONTWAIT,
  MSG_MORE,
  TCP_CONGESTION,
} from './socket-constants.ts'
import { IPPROTO_TCP } from '../wire/ipproto.ts'
import type { Sockets } from './sockets.ts'
import type { TakeSkb } from './app-skb.ts'

type AppSubmitDeps = {
  arena: Arena
  skbs: Pick<Skbs, 'trim' | 'alloc' | 'put'>
  sockets: Sockets
  channel: AppChannel
  completions: AppCompletions
  takeSkb: TakeSkb
  consume: ConsumeFn
}

const { EALREADY, EBADF, EFAULT, EINVAL, ENOBUFS } = Errno
/** Octets that whoever reads a value may look at. */
const LEAST_VALUE = 64
const isSid = (sid: number): boolean => sid > 0 && sid < APP_SIDS

export const createAppSubmit = (deps: AppSubmitDeps) => {
  const { arena, skbs, sockets, channel, completions, takeSkb, consume } = deps
  const { i32, u8 } = arena
  const control = createTakeControl(arena, skbs)
  const { post, refuse, postWithAddresses, begin, commit, handOver } = completions
  const word = (at: number, k: number): number => i32[at + k]

  /** The record's address, copied out of the application's reach. */
  const address = new Int32Array(4)
  const addressOf = (at: number): Int32Array => {
    copyAddr(address, 0, i32, at + E_ADDR)
    return address
  }
  /** No device has a number that is not a row's: routes say so. */
  const zoneOf = (at: number): number => word(at, E_ARG0)
  const bind = (at: number, sk: number): number =>
    sockets.bind(sk, addressOf(at), 0, word(at, E_PORT), zoneOf(at))
  const connect = (at: number, sk: number): number =>
    sockets.connect(sk, addressOf(at), 0, word(at, E_PORT), zoneOf(at), word(at, E_LEN))
  const isNow = (at: number): boolean => (word(at, E_ARG1) & MSG_DONTWAIT) !== 0
  const sendto = (at: number, sk: number, skb: number, flags: number, flowinfo = 0): number =>
    sockets.sendto(
      sk,
      word(skb, SKB_DATA),
      word(skb, SKB_LEN),
      addressOf(at),
      0,
      word(at, E_PORT),
      zoneOf(at),
      flags,
      flowinfo
    )
  const sendmsg = (at: number, sk: number, skb: number): number => {
    const flags = word(at, E_ARG1)
    const length = control.take(skb, word(at, E_CONTROL))
    if (length < 0) return length
    const error = length === 0 ? 0 : beginControl(at, sk, length)
    const result = error || sendTo(at, sk, skb, flags)
    sockets.endControl()
    return result
  }
  const isToPeer = (at: number): boolean => word(at, E_ARG2) !== 0
  const beginControl = (at: number, sk: number, length: number): number =>
    isToPeer(at)
      ? sockets.beginControl(sk, control.words, length)
      : sockets.beginControl(sk, control.words, length, addressOf(at), 0)
  const sendTo = (at: number, sk: number, skb: number, flags: number): number =>
    isToPeer(at)
      ? sockets.sendmsg(sk, word(skb, SKB_DATA), word(skb, SKB_LEN), flags)
      : sendto(at, sk, skb, flags, word(at, E_LEN))
  /** Of a record whose skb is used at once. */
  const carried = (at: number, op: number, sk: number, skb: number): number => {
    if (op === AppOp.SENDTO) return sendto(at, sk, skb, 0)
    if (op === AppOp.SENDMSG) return sendmsg(at, sk, skb)
    return op === AppOp.SETSOCKOPT ? setWords(at, sk, skb) : -EINVAL
  }
  /** The value of an option: as many octets as the longest has, a filter. */
  const value = new Int32Array(BPF_MAXINSNS * INSN_WORDS)
  const octets = new Uint8Array(value.buffer)
  const setWords = (at: number, sk: number, skb: number): number => {
    const len = word(skb, SKB_LEN)
    if (len > octets.length) return -EINVAL
    const from = word(skb, SKB_DATA)
    octets.fill(0, len, Math.max(len, LEAST_VALUE))
    for (let k = 0; k < len; k++) octets[k] = u8[from + k]
    return sockets.setsockoptName(sk, word(at, E_ARG0), word(at, E_ARG1), value, 0, len)
  }
  /** A record that carries an skb. */
  const carry = (at: number, op: number, row: number, sk: number, skb: number): void => {
    const user = word(at, E_USER)
    if (sk !== 0 && op === AppOp.SEND)
      return channel.send(row, skb, user, word(at, E_ARG0) & MSG_MORE)
    const result = sk === 0 ? -EBADF : carried(at, op, sk, skb)
    consume(skb)
    post(op, row, user, result)
  }
  const openSocket = (at: number, row: number): number =>
    channel.open(row, word(at, E_ARG0), word(at, E_ARG1), word(at, E_ARG2), word(at, E_LEN))

  /** Does what the record at `at` of an application asks for. */
  const submit = (app: number, at: number): void => {
    const op = word(at, E_OP)
    const sid = word(at, E_SID)
    const user = word(at, E_USER)
    const skb = word(at, E_SKB)
    if (skb !== 0 && !takeSkb(skb)) return refuse(app, op, sid, user, -EFAULT)
    if (!isSid(sid)) {
      if (skb !== 0) consume(skb)
      return refuse(app, op, sid, user, -EBADF)
    }
    const row = rowOf(app, sid)
    const sk = channel.sockOf(row)
    if (skb !== 0) return carry(at, op, row, sk, skb)
    switch (op) {
      case AppOp.RECV:
        return channel.grant(row, word(at, E_LEN))
      case AppOp.SOCKET:
        return post(op, row, user, openSocket(at, row))
      case AppOp.CLOSE:
        return channel.close(row, user, word(at, E_ARG0))
    }
    if (sk === 0) return post(op, answered(app, at, op, row), user, -EBADF)
    switch (op) {
      case AppOp.RECVMSG:
        return channel.recvmsg(row, user, word(at, E_LEN), word(at, E_ARG0), sk)
      case AppOp.ACCEPT:
        return accept(app, at, row, user)
      case AppOp.CONNECT:
        if (channel.isConnecting(row)) return post(op, row, user, -EALREADY)
        return channel.connecting(row, user, connect(at, sk), sk, isNow(at))
      case AppOp.BIND:
        return postWithAddresses(op, row, user, bind(at, sk), sk)
      case AppOp.LISTEN:
        return postWithAddresses(op, row, user, channel.listen(row, word(at, E_LEN), sk), sk)
      case AppOp.SHUTDOWN:
        return channel.shutdown(row, user, word(at, E_LEN), sk)
      case AppOp.SETSOCKOPT:
        return post(op, row, user, setOption(at, sk))
      case AppOp.GETSOCKOPT:
        return getOption(at, row, sk)
      case AppOp.MEMBERSHIP:
        return post(op, row, user, membership(at, sk))
      case AppOp.MULTICAST:
        return post(op, row, user, setOption(at, sk))
      case AppOp.GETSOCKNAME:
        return postWithAddresses(op, row, user, 0, sk)
      case AppOp.GETPEERNAME:
        return postWithAddresses(op, row, user, sockets.peerError(sk), sk)
      case AppOp.POLL:
        return channel.poll(row, user, word(at, E_LEN))
    }
    post(op, row, user, -EINVAL)
  }
  /** Whose completion it is that answers. */
  const answered = (app: number, at: number, op: number, row: number): number =>
    op === AppOp.ACCEPT && isSid(word(at, E_PORT)) ? rowOf(app, word(at, E_PORT)) : row
  const accept = (app: number, at: number, row: number, user: number): void => {
    const child = word(at, E_PORT)
    if (!isSid(child)) return post(AppOp.ACCEPT, row, user, -EBADF)
    channel.accept(row, rowOf(app, child), user, word(at, E_LEN), word(at, E_ARG0) === 1)
  }
  const source = new Int32Array(4)
  const membership = (at: number, sk: number): number => {
    const group = addressOf(at)
    copyAddr(source, 0, i32, at + E_ARG1)
    const level = isV4Mapped(group, 0) ? IPPROTO_IP : IPPROTO_IPV6
    const [ifindex, name, address] = [word(at, E_PORT), word(at, E_ARG0), word(at, E_LEN)]
    return sockets.membership(sk, level, name, group, 0, ifindex, address, source, 0)
  }
  /** TCP_CONGESTION's value is a name, where else an address is. */
  const isName = (at: number): boolean =>
    word(at, E_ARG0) === IPPROTO_TCP && word(at, E_ARG1) === TCP_CONGESTION
  const setOption = (at: number, sk: number): number => {
    if (isName(at))
      return sockets.setsockoptName(sk, IPPROTO_TCP, TCP_CONGESTION, addressOf(at), 0, 16)
    return sockets.setsockopt(sk, word(at, E_ARG0), word(at, E_ARG1), word(at, E_ARG2))
  }
  const getOption = (at: number, row: number, sk: number): void => {
    const user = word(at, E_USER)
    if (word(at, E_ARG2) === 1) return getWords(at, row, sk)
    if (!isName(at))
      return post(
        AppOp.GETSOCKOPT,
        row,
        user,
        sockets.getsockopt(sk, word(at, E_ARG0), word(at, E_ARG1))
      )
    const length = sockets.getsockoptName(sk, IPPROTO_TCP, TCP_CONGESTION, address, 0)
    const answer = begin(AppOp.GETSOCKOPT, row, user, length)
    if (length > 0) copyAddr(i32, answer + E_ADDR, address, 0)
    commit()
  }

  /** The value of an option as octets, in an skb. */
  const getWords = (at: number, row: number, sk: number): void => {
    const user = word(at, E_USER)
    const length = sockets.getsockoptName(sk, word(at, E_ARG0), word(at, E_ARG1), value, 0)
    const skb = length < 0 ? 0 : skbs.alloc(length, RX_HEADROOM)
    if (skb === 0) return post(AppOp.GETSOCKOPT, row, user, length < 0 ? length : -ENOBUFS)
    const to = skbs.put(skb, length)
    for (let k = 0; k < length; k++) u8[to + k] = octets[k]
    begin(AppOp.GETSOCKOPT, row, user, length)
    handOver(skb)
  }

  return { submit }
}
