/**
 * The socket calls of scripts, over the socket layer of the stack under test. Blocking is made here: a call that would wait is
 * tried again when the stack tells its socket of an event, as a sleeping thread is woken.
 */
import { Errno, errnoName } from '../core/base/errno.ts'
import * as names from '../core/socket/socket-constants.ts'
import * as sock from '../core/socket/sock.ts'
import {
  FO_DEFER,
  SOCK_URGINLINE,
  TCP_URG_VALID,
  TP_COPIED_SEQ,
  TP_FASTOPEN,
  TP_RCV_NXT,
  TP_URG_DATA,
} from '../core/transport/tcp/sock/tcp-sock.ts'
import type { Host } from './host.ts'
import { type Call, Mismatch, Unsupported, type Value } from './script.ts'

const NUMBERS: Record<string, number> = {
  SOCK_STREAM: sock.SOCK_STREAM,
  ...names,
  SOL_TCP: 6,
  IPPROTO_TCP: 6,
  SOL_IP: 0,
  SOL_IPV6: 41,
  TCP_MAXSEG: 2,
  TCP_SYNCNT: 7,
  TCP_LINGER2: 8,
  TCP_DEFER_ACCEPT: 9,
  TCP_WINDOW_CLAMP: 10,
  TCP_INFO: 11,
  TCP_TIMESTAMP: 24,
  TCP_INQ: 36,
  IP_MTU_DISCOVER: 10,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_RECVERR: 11,
  IP_FREEBIND: 15,
  IP_MINTTL: 21,
  SO_RCVLOWAT: 18,
  SO_ZEROCOPY: 60,
  MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000,
  MSG_ZEROCOPY: 0x4000000,
  F_GETFL: 3,
  F_SETFL: 4,
  O_RDWR: 2,
  O_NONBLOCK: 0x800,
  POLLIN: 1,
  POLLPRI: 2,
  POLLOUT: 4,
  POLLERR: 8,
  POLLHUP: 0x10,
  POLLRDHUP: 0x2000,
}
const { MSG_DONTWAIT } = names
const { MSG_ZEROCOPY, O_NONBLOCK, POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP } =
  NUMBERS as Record<string, number> as {
    [Name in
      | 'MSG_ZEROCOPY'
      | 'O_NONBLOCK'
      | 'POLLIN'
      | 'POLLOUT'
      | 'POLLERR'
      | 'POLLHUP'
      | 'POLLRDHUP']: number
  }

const nameToNumber = (name: string): number =>
  name.split('|').reduce((bits, word) => {
    const value = /^\d/.test(word) ? Number(word) : NUMBERS[word]
    if (value === undefined) throw new Unsupported(`the name ${word}`)
    return bits | value
  }, 0)
const toNumber = (value: Value | undefined): number => {
  if (value?.is === 'number') return value.value
  if (value?.is === 'name') return nameToNumber(value.value)
  if (value?.is === 'list') return toNumber(value.items[0])
  throw new Unsupported(`an argument that is a ${value?.is ?? 'nothing'}`)
}
const field = (value: Value | undefined, name: string): number =>
  value?.is === 'struct' ? toNumber(value.fields.get(name)) : 0

type File = { sk: number; flags: number }
/** What became of a call: its result, or null while it blocks. */
export type Attempt = () => number | null

/** What the player is told of sockets. */
export type CallEvents = {
  onSocket: () => void
  onListen: (port: number) => void
  onConnect: () => void
  onAccept: (sk: number) => void
}
export type Calls = ReturnType<typeof createCalls>

const PORT = 8080

export const createCalls = (host: Host, events: CallEvents) => {
  const { i32, stack } = host
  const { sockets, tcp } = stack
  const files = new Map<number, File>()
  let lastSk = 0
  let isWoken = false
  const handler = sockets.registerHandler(() => {
    isWoken = true
  })

  const fileOf = (value: Value | undefined): File => {
    const file = files.get(toNumber(value))
    if (file === undefined) throw new Mismatch(`there is no file ${toNumber(value)}`)
    return file
  }
  const open = (fd: number, sk: number): void => {
    files.set(fd, { sk, flags: NUMBERS.O_RDWR! })
    lastSk = sk
    sockets.attach(sk, handler, 0)
  }
  const isBlocking = (file: File, flags = 0): boolean =>
    (file.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0
  /** Tries again while there is nothing to be had. */
  const waiting =
    (file: File, flags: number, attempt: () => number): Attempt =>
    () => {
      const result = attempt()
      return result === -Errno.EAGAIN && isBlocking(file, flags) ? null : result
    }
  const once =
    (attempt: () => number): Attempt =>
    () =>
      attempt()

  // ---- the calls

  const socket = ({ result }: Call, args: Value[]): Attempt =>
    once(() => {
      const sk = sockets.socket(host.socketFamily, nameToNumber(wordOf(args[1])), toNumber(args[2]))
      if (sk <= 0) return sk
      open(toNumber(result), sk)
      events.onSocket()
      return toNumber(result)
    })
  const accept = ({ result }: Call, args: Value[]): Attempt => {
    const file = fileOf(args[0])
    return waiting(file, 0, () => {
      const sk = sockets.accept(file.sk)
      if (sk <= 0) return sk
      open(toNumber(result), sk)
      events.onAccept(sk)
      return toNumber(result)
    })
  }
  const connect = (_: Call, args: Value[]): Attempt => {
    const file = fileOf(args[0])
    let isUnderWay = false
    return () => {
      if (isUnderWay) return connected(file.sk)
      const result = sockets.connect(file.sk, host.remote, 0, PORT)
      if (result === 0 || result === -Errno.EINPROGRESS) events.onConnect()
      isUnderWay = result === -Errno.EINPROGRESS && isBlocking(file)
      return isUnderWay ? null : result
    }
  }
  const connected = (sk: number): number | null => {
    if (i32[sk + sock.SK_ERR] !== 0) return -sockets.takeError(sk)
    const state = i32[sk + sock.SK_STATE]!
    if (state === sock.TCP_SYN_SENT || state === sock.TCP_SYN_RECV) return null
    return state === sock.TCP_CLOSE ? -Errno.ECONNABORTED : 0
  }
  /** A blocking write is done when all has gone. `to` is its address: null has no family, undefined is none. */
  const sending = (file: File, len: number, flags: number, to?: Int32Array | null): Attempt => {
    if ((flags & MSG_ZEROCOPY) !== 0) throw new Unsupported('MSG_ZEROCOPY')
    const bytes = new Uint8Array(len)
    const waits = isBlocking(file, flags)
    const flagsNow = waits ? flags : flags | MSG_DONTWAIT
    let sent = 0
    let isConnecting = false
    const send = (): number => {
      const wasClosed = i32[file.sk + sock.SK_STATE] === sock.TCP_CLOSE
      const result =
        to === undefined
          ? tcp.sendBytes(file.sk, bytes, sent, len - sent, flagsNow)
          : tcp.sendtoBytes(file.sk, bytes, sent, len - sent, to, 0, PORT, flagsNow)
      if (wasClosed && i32[file.sk + sock.SK_STATE] === sock.TCP_SYN_SENT) events.onConnect()
      isConnecting = waits && i32[file.sk + sock.SK_STATE] === sock.TCP_SYN_SENT
      return result
    }
    return () => {
      if (isConnecting) {
        const result = connected(file.sk)
        if (result !== 0) return result
        isConnecting = false
      }
      const result = sent === len && sent > 0 ? 0 : send()
      if (result >= 0) sent += result
      else if (result === -Errno.EINPROGRESS && waits) return null
      else if (result !== -Errno.EAGAIN) return sent > 0 ? sent : result
      if (isConnecting) return null
      if (sent === len) return sent
      if (waits) return null
      return sent > 0 ? sent : result
    }
  }
  const receiving = (file: File, len: number, flags: number): Attempt => {
    const bytes = new Uint8Array(len)
    return waiting(file, flags, () => tcp.recvBytes(file.sk, bytes, 0, len, flags))
  }
  const lengthOf = (iov: Value | undefined): number =>
    iov?.is === 'list' ? iov.items.reduce((sum, part) => sum + field(part, '1'), 0) : 0
  const sendmsg = (_: Call, args: Value[]): Attempt => {
    const [, message, flags] = args
    if (message?.is !== 'struct') throw new Unsupported('sendmsg without a message')
    const iov = [...message.fields].find(([name]) => name.startsWith('msg_iov'))
    if ([...message.fields.keys()].some((name) => name.startsWith('msg_control')))
      throw new Unsupported('sendmsg with control messages')
    return sending(fileOf(args[0]), lengthOf(iov?.[1]), toNumber(flags), host.remote)
  }
  const fcntl = (_: Call, args: Value[]): Attempt => {
    const file = fileOf(args[0])
    if (wordOf(args[1]) === 'F_GETFL') return once(() => file.flags)
    return once(() => {
      file.flags = NUMBERS.O_RDWR! | (toNumber(args[2]) & O_NONBLOCK)
      return 0
    })
  }
  const listen = (_: Call, args: Value[]): Attempt =>
    once(() => {
      const result = sockets.listen(fileOf(args[0]).sk, toNumber(args[1]))
      if (result === 0) events.onListen(PORT)
      return result
    })

  // ---- options

  /** The octets of a text, with C's escapes, and zeros behind them. */
  const textWords = (text: string): Int32Array => {
    const bytes = new Uint8Array(32)
    const octets = text.replaceAll(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16))
    )
    for (let k = 0; k < Math.min(octets.length, bytes.length); k++) bytes[k] = octets.charCodeAt(k)
    return new Int32Array(bytes.buffer)
  }
  const setsockopt = (_: Call, [fd, level, name, value, len]: Value[]): Attempt =>
    once(() => {
      const { sk } = fileOf(fd)
      const [at, option] = [toNumber(level), toNumber(name)]
      if (value?.is === 'text')
        return sockets.setsockoptName(sk, at, option, textWords(value.value), 0, toNumber(len))
      if (value?.is === 'ellipsis') throw new Unsupported(`a value of ${wordOf(name)}`)
      if (value?.is === 'struct') {
        const linger = field(value, 'onoff') === 0 ? -1 : field(value, 'linger')
        return sockets.setsockopt(sk, at, option, linger)
      }
      return sockets.setsockopt(sk, at, option, toNumber(value))
    })
  const getsockopt = (_: Call, [fd, level, name, value]: Value[]): Attempt =>
    once(() => {
      const { sk } = fileOf(fd)
      const [at, option] = [toNumber(level), toNumber(name)]
      if (value?.is === 'text') {
        const words = new Int32Array(4)
        const result = sockets.getsockoptName(sk, at, option, words, 0)
        const text = new TextDecoder().decode(words).replace(/\0.*$/s, '')
        if (result >= 0 && text !== value.value) throw new Mismatch(`"${text}" is the value`)
        return Math.min(result, 0)
      }
      const got = sockets.getsockopt(sk, at, option)
      if (value?.is === 'struct') {
        const [onoff, linger] = got < 0 ? [0, 0] : [1, got]
        if (field(value, 'onoff') !== onoff || field(value, 'linger') !== linger)
          throw new Mismatch(`{onoff=${onoff}, linger=${linger}} is the value`)
        return 0
      }
      if (got < 0 || value?.is === 'ellipsis') return Math.min(got, 0)
      if (got >>> 0 !== toNumber(value) >>> 0) throw new Mismatch(`[${got}] is the value`)
      return 0
    })

  // ---- poll

  const readiness = (sk: number): number => {
    const shutdown = i32[sk + sock.SK_SHUTDOWN]!
    const state = i32[sk + sock.SK_STATE]!
    if (state === sock.TCP_LISTEN) return i32[sk + sock.SK_ACK_BACKLOG] === 0 ? 0 : POLLIN
    let bits = i32[sk + sock.SK_ERR] === 0 ? 0 : POLLERR
    if (shutdown === (sock.RCV_SHUTDOWN | sock.SEND_SHUTDOWN) || state === sock.TCP_CLOSE)
      bits |= POLLHUP
    if ((shutdown & sock.RCV_SHUTDOWN) !== 0) bits |= POLLIN | POLLRDHUP
    if (state === sock.TCP_SYN_SENT)
      return (i32[sk + TP_FASTOPEN]! & FO_DEFER) === 0 ? bits : bits | POLLOUT
    // the octet at the mark is no part of the stream
    const hole = tcp.isAtMark(sk) && (i32[sk + sock.SK_FLAGS]! & SOCK_URGINLINE) === 0 ? 1 : 0
    if (((i32[sk + TP_RCV_NXT]! - i32[sk + TP_COPIED_SEQ]!) | 0) > hole) bits |= POLLIN
    if ((i32[sk + TP_URG_DATA]! & TCP_URG_VALID) !== 0) bits |= NUMBERS.POLLPRI!
    const isSpacious =
      i32[sk + sock.SK_SNDBUF]! - i32[sk + sock.SK_WMEM]! >= i32[sk + sock.SK_WMEM]! >> 1
    if ((shutdown & sock.SEND_SHUTDOWN) !== 0 || isSpacious) bits |= POLLOUT
    return bits
  }
  const poll = (_: Call, [list, , timeout]: Value[]): Attempt => {
    if (list?.is !== 'list') throw new Unsupported('poll of something else than a list')
    const begun = host.now()
    const ms = toNumber(timeout)
    return () => {
      const found = list.items.map((entry) => {
        if (entry.is !== 'struct') throw new Unsupported('poll of something else than a file')
        const wanted = field(entry, 'events') | POLLERR | POLLHUP
        return [entry, readiness(fileOf(entry.fields.get('fd')).sk) & wanted] as const
      })
      const ready = found.filter(([, bits]) => bits !== 0).length
      if (ready === 0 && (ms < 0 || host.now() < begun + ms * 1000)) return null
      for (const [entry, bits] of found)
        if (bits !== field(entry, 'revents'))
          throw new Mismatch(`poll finds 0x${bits.toString(16)}`)
      return ready
    }
  }

  const CALLS: Record<string, (call: Call, args: Value[]) => Attempt> = {
    socket,
    accept,
    connect,
    sendmsg,
    fcntl,
    listen,
    setsockopt,
    getsockopt,
    poll,
    bind: (_, [fd]) => once(() => sockets.bind(fileOf(fd).sk, new Int32Array(4), 0, PORT)),
    write: (_, [fd, , len]) => sending(fileOf(fd), toNumber(len), 0),
    send: (_, [fd, , len, flags]) => sending(fileOf(fd), toNumber(len), toNumber(flags)),
    sendto: (_, [fd, data, len, flags, to]) => {
      if (wordOf(data) === 'NULL') throw new Unsupported('a bad address')
      const address = wordOf(to) === 'AF_UNSPEC' ? null : host.remote
      return sending(fileOf(fd), toNumber(len), toNumber(flags), address)
    },
    writev: (_, [fd, iov]) => sending(fileOf(fd), lengthOf(iov), 0),
    read: (_, [fd, , len]) => receiving(fileOf(fd), toNumber(len), 0),
    recv: (_, [fd, , len, flags]) => receiving(fileOf(fd), toNumber(len), toNumber(flags)),
    recvfrom: (_, [fd, , len, flags]) => receiving(fileOf(fd), toNumber(len), toNumber(flags)),
    shutdown: (_, [fd, how]) => once(() => sockets.shutdown(fileOf(fd).sk, toNumber(how))),
    close: (_, [fd]) =>
      once(() => {
        sockets.close(fileOf(fd).sk)
        files.delete(toNumber(fd))
        return 0
      }),
  }

  /** Makes ready to call; what it answers does it. */
  const prepare = (call: Call): Attempt => {
    const make = CALLS[call.name]
    if (make === undefined) throw new Unsupported(`the call ${call.name}`)
    return make(call, call.args)
  }
  /** The socket that TCP_INFO is asked of: the one used last. */
  const lastSocket = (): number => {
    const open = [...files.values()]
    return open.some(({ sk }) => sk === lastSk) ? lastSk : (open.at(-1)?.sk ?? 0)
  }
  /** Whether a socket was told of something since the last call. */
  const takeWoken = (): boolean => {
    const was = isWoken
    isWoken = false
    return was
  }
  return { prepare, lastSocket, takeWoken }
}

const wordOf = (value: Value | undefined): string => (value?.is === 'name' ? value.value : '')

/** Null when the call answered what the script says, else what it did. */
export const wrongResult = (call: Call, result: number): string | null => {
  const expected = call.result.is === 'ellipsis' ? result : toNumber(call.result)
  const isRight =
    expected < 0
      ? result < 0 && (call.error === null || errnoName(result) === call.error)
      : result === expected
  if (isRight) return null
  return result < 0 ? `-1 ${errnoName(result)}` : `${result}`
}
