/**
 * The socket calls of scripts, over the socket layer of the stack under test. Blocking is made here: a call that would wait is
 * tried again when the stack tells its socket of an event, as a sleeping thread is woken.
 */
import { Errno, errnoName } from '../core/base/errno.ts'
import * as names from '../core/socket/socket-constants.ts'
import * as sock from '../core/socket/sock.ts'
import { PACING_NEEDED, TP_PACING } from '../core/transport/tcp/sock/tcp-sock.ts'
import { createEpoll, EPOLL, type Epoll } from './epoll.ts'
import { receiveError } from './errqueue.ts'
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
  TCP_WINDOW_CLAMP: 10,
  TCP_INFO: 11,
  TCP_TIMESTAMP: 24,
  TCP_INQ: 36,
  IP_MTU_DISCOVER: 10,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_RECVERR: 11,
  IPV6_RECVERR: 25,
  SCM_TIMESTAMPING: names.SO_TIMESTAMPING,
  ENOMSG: Errno.ENOMSG,
  IP_MINTTL: 21,
  SO_RCVLOWAT: 18,
  MSG_OOB: 1,
  MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000,
  F_GETFL: 3,
  F_SETFL: 4,
  O_RDWR: 2,
  O_NONBLOCK: 0x800,
  ...EPOLL,
}
const { MSG_DONTWAIT, MSG_ERRQUEUE, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI } = names
const { O_NONBLOCK } = NUMBERS as { O_NONBLOCK: number }

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

/** A socket, or with `sk` 0 an epoll, a file of zeros, or an end of a pipe. */
type File = { sk: number; flags: number; epoll?: Epoll; size?: number }
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
/** Times that the stack tells, which is not asked about its own. */
const STAMP_TOLERANCE_US = 4000

export const createCalls = (host: Host, events: CallEvents) => {
  const { i32, stack } = host
  const { sockets, tcp } = stack
  const files = new Map<number, File>()
  let lastSk = 0
  let isWoken = false
  const handler = sockets.registerHandler((sk, events) => {
    isWoken = true
    for (const { epoll } of files.values())
      for (const [fd, file] of files) if (file.sk === sk) epoll?.wake(fd, wakesBy(events))
  })

  const fileOf = (value: Value | undefined): File => {
    const file = files.get(toNumber(value))
    if (file === undefined) throw new Mismatch(`there is no file ${toNumber(value)}`)
    return file
  }
  const readiness = (fd: number): number => sockets.poll(files.get(fd)!.sk)
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
      if (host.isPaced()) i32[sk + TP_PACING] = PACING_NEEDED
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
  const isNull = (value: Value | undefined): boolean => wordOf(value) === 'NULL'
  /** A write of octets that cannot be read: what is refused before they are looked at, or EFAULT. */
  const sendingNull = (file: File, flags: number, to: Int32Array | null): Attempt =>
    once(() => {
      const none = new Uint8Array(0)
      const result = tcp.sendtoBytes(file.sk, none, 0, 0, to, 0, PORT, flags | MSG_DONTWAIT)
      return result < 0 ? result : -Errno.EFAULT
    })
  const write = (
    fd: Value | undefined,
    data: Value | undefined,
    len: Value | undefined,
    flags: number
  ) =>
    isNull(data)
      ? sendingNull(fileOf(fd), flags, host.remote)
      : sending(fileOf(fd), toNumber(len), flags)
  /** A read of what is there to where it cannot be written. */
  const read = (
    fd: Value | undefined,
    data: Value | undefined,
    len: Value | undefined,
    flags: number
  ): Attempt => {
    const file = fileOf(fd)
    if (!isNull(data)) return receiving(file, toNumber(len), flags)
    const octet = new Uint8Array(1)
    return waiting(file, flags, () => {
      const result = tcp.recvBytes(file.sk, octet, 0, 1, flags | names.MSG_PEEK)
      return result > 0 ? -Errno.EFAULT : result
    })
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
  /** Of what is told beside the data. */
  const recvmsg = (_: Call, [fd, message, flags]: Value[]): Attempt => {
    if (message?.is !== 'struct') throw new Unsupported('recvmsg without a message')
    if ((toNumber(flags) & MSG_ERRQUEUE) === 0) throw new Unsupported('recvmsg of data')
    return once(() =>
      receiveError(host, fileOf(fd).sk, message.fields, toNumber, STAMP_TOLERANCE_US)
    )
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

  const poll = (_: Call, [list, , timeout]: Value[]): Attempt => {
    if (list?.is !== 'list') throw new Unsupported('poll of something else than a list')
    const begun = host.now()
    const ms = toNumber(timeout)
    return () => {
      const found = list.items.map((entry) => {
        if (entry.is !== 'struct') throw new Unsupported('poll of something else than a file')
        const wanted = field(entry, 'events') | POLLERR | POLLHUP
        return [entry, sockets.poll(fileOf(entry.fields.get('fd')).sk) & wanted] as const
      })
      const ready = found.filter(([, bits]) => bits !== 0).length
      if (ready === 0 && (ms < 0 || host.now() < begun + ms * 1000)) return null
      for (const [entry, bits] of found)
        if (bits !== field(entry, 'revents'))
          throw new Mismatch(`poll finds 0x${bits.toString(16)}`)
      return ready
    }
  }

  // ---- epoll

  const epollOf = (value: Value | undefined): Epoll => {
    const { epoll } = fileOf(value)
    if (epoll === undefined) throw new Mismatch('that is no epoll')
    return epoll
  }
  const epollCreate = ({ result }: Call): Attempt =>
    once(() => {
      files.set(toNumber(result), { sk: 0, flags: NUMBERS.O_RDWR!, epoll: createEpoll(readiness) })
      return toNumber(result)
    })
  const epollCtl = (_: Call, [epfd, op, fd, event]: Value[]): Attempt =>
    once(() =>
      epollOf(epfd).control(toNumber(op), toNumber(fd), field(event, 'events'), field(event, 'fd'))
    )
  /** One event is written in a script: the first. */
  const epollWait = (_: Call, [epfd, event, most, timeout]: Value[]): Attempt => {
    const begun = host.now()
    const ms = toNumber(timeout)
    return () => {
      const found = epollOf(epfd).take(toNumber(most))
      if (found.length === 0 && (ms < 0 || host.now() < begun + ms * 1000)) return null
      const { events, data } = found[0] ?? { events: 0, data: 0 }
      if (events !== field(event, 'events') || (events !== 0 && data !== field(event, 'fd')))
        throw new Mismatch(`epoll finds 0x${(events >>> 0).toString(16)} of ${data}`)
      return found.length
    }
  }

  // ---- what else there is

  const ioctl = (_: Call, [fd, request, value]: Value[]): Attempt =>
    once(() => {
      const got = sockets.ioctl(fileOf(fd).sk, toNumber(request))
      if (got >= 0 && got !== toNumber(value)) throw new Mismatch(`[${got}] is the value`)
      return Math.min(got, 0)
    })
  const openFile = ({ result }: Call, [name]: Value[]): Attempt =>
    once(() => {
      const size = name?.is === 'text' ? host.disk.get(name.value) : undefined
      if (size === undefined) return -Errno.ENOENT
      files.set(toNumber(result), { sk: 0, flags: 0, size })
      return toNumber(result)
    })
  const sendfile = (_: Call, [out, from, offset, count]: Value[]): Attempt => {
    const left = (fileOf(from).size ?? 0) - toNumber(offset)
    return sending(fileOf(out), Math.max(0, Math.min(left, toNumber(count))), 0)
  }

  const pipe = (_: Call, [ends]: Value[]): Attempt =>
    once(() => {
      if (ends?.is !== 'list') throw new Unsupported('pipe without its ends')
      for (const end of ends.items) files.set(toNumber(end), { sk: 0, flags: 0 })
      return 0
    })
  /** From a socket into a pipe, which has room: what a read would get. At the mark of urgent data it does not wait. */
  const splice = (_: Call, [from, , to, , len, flags]: Value[]): Attempt => {
    if (fileOf(to).sk !== 0) throw new Unsupported('splice into a socket')
    const file = fileOf(from)
    const read = receiving(file, toNumber(len), toNumber(flags) === 0 ? 0 : MSG_DONTWAIT)
    const isAtMark = (): boolean => tcp.isAtMark(file.sk) && i32[file.sk + sock.SK_RCVQ_HEAD] !== 0
    return () => (isAtMark() ? 0 : read())
  }

  const CALLS: Record<string, (call: Call, args: Value[]) => Attempt> = {
    socket,
    accept,
    connect,
    sendmsg,
    recvmsg,
    fcntl,
    listen,
    setsockopt,
    getsockopt,
    poll,
    epoll_create: epollCreate,
    epoll_ctl: epollCtl,
    epoll_wait: epollWait,
    ioctl,
    open: openFile,
    sendfile,
    pipe,
    splice,
    bind: (_, [fd]) => once(() => sockets.bind(fileOf(fd).sk, new Int32Array(4), 0, PORT)),
    write: (_, [fd, data, len]) => write(fd, data, len, 0),
    send: (_, [fd, data, len, flags]) => write(fd, data, len, toNumber(flags)),
    sendto: (_, [fd, data, len, flags, to]) => {
      const address = wordOf(to) === 'AF_UNSPEC' ? null : host.remote
      if (isNull(data)) return sendingNull(fileOf(fd), toNumber(flags), address)
      return sending(fileOf(fd), toNumber(len), toNumber(flags), address)
    },
    writev: (_, [fd, iov]) => sending(fileOf(fd), lengthOf(iov), 0),
    read: (_, [fd, data, len]) => read(fd, data, len, 0),
    recv: (_, [fd, data, len, flags]) => read(fd, data, len, toNumber(flags)),
    recvfrom: (_, [fd, data, len, flags]) => read(fd, data, len, toNumber(flags)),
    shutdown: (_, [fd, how]) => once(() => sockets.shutdown(fileOf(fd).sk, toNumber(how))),
    close: (_, [fd]) =>
      once(() => {
        const { sk } = fileOf(fd)
        for (const { epoll } of files.values()) epoll?.forget(toNumber(fd))
        if (sk !== 0) sockets.close(sk)
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
    const open = [...files.values()].filter(({ sk }) => sk !== 0)
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

/** What a socket's events may have changed of what poll tells, as they wake who waits for it; -1 is all. */
const wakesBy = (events: number): number => {
  if ((events & (sock.SK_EVENT_CONNECT | sock.SK_EVENT_HUP)) !== 0) return -1
  return (
    ((events & (sock.SK_EVENT_READ | sock.SK_EVENT_ACCEPT)) === 0 ? 0 : POLLIN | POLLPRI) |
    ((events & sock.SK_EVENT_PRI) === 0 ? 0 : POLLPRI) |
    ((events & sock.SK_EVENT_WRITE) === 0 ? 0 : POLLOUT) |
    ((events & sock.SK_EVENT_ERROR) === 0 ? 0 : POLLERR)
  )
}
const wordOf = (value: Value | undefined): string => (value?.is === 'name' ? value.value : '')

/** Null when the call answered what the script says, else what it did. */
export const wrongResult = (call: Call, result: number): string | null => {
  if (call.result.is === 'ellipsis') return null
  const expected = toNumber(call.result)
  // a call that fails answers -1, and nothing less
  const isRight =
    expected === -1
      ? result < 0 && (call.error === null || errnoName(result) === call.error)
      : result >= 0 && result === expected
  if (isRight) return null
  return result < 0 ? `-1 ${errnoName(result)}` : `${result}`
}
