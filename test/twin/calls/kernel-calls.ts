// The kernel's side: libc's calls, in the namespace that the test is in.

import { dlopen } from 'bun:ffi'
import { formatWords, mapIpv4, parseAddr } from '../../../core/wire/text.ts'
import { block, errno, libc } from '../../../workers/os/libc.ts'
import {
  type Answer,
  type Control,
  PAYLOAD,
  type Side,
  shownCmsg,
  shownFlags,
  shownInfo,
  shownPort,
} from './calls.ts'

const more = dlopen('libc.so.6', {
  listen: { args: ['i32', 'i32'], returns: 'i32' },
  accept4: { args: ['i32', 'usize', 'usize', 'i32'], returns: 'i32' },
  shutdown: { args: ['i32', 'i32'], returns: 'i32' },
  getpeername: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  sendto: { args: ['i32', 'usize', 'usize', 'i32', 'usize', 'u32'], returns: 'i32' },
  recvfrom: { args: ['i32', 'usize', 'usize', 'i32', 'usize', 'usize'], returns: 'i32' },
  poll: { args: ['usize', 'u64', 'i32'], returns: 'i32' },
}).symbols

const NONBLOCK = 0x800
const MSG_NOSIGNAL = 0x4000
const AF_INET6 = 10
const ROOM = 1 << 18
const EBADF = 9
const TCP_INFO = 11
/** What can be asked of poll(2); the rest it says unasked. */
const POLL_ALL = 0x23c7
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')

export const createKernelCalls = (): Side => {
  const files = new Map<string, { fd: number; family: number }>()
  const data = block(ROOM)
  const name = block(28)
  const length = block(4)
  const value = block(64)
  // struct iovec and struct msghdr
  const message = block(16 + 56)
  const control = block(512)

  const answer = (result: number): number => (result < 0 ? -errno() : result)
  const fdOf = (file: string): number => files.get(file)?.fd ?? -1
  const familyOf = (file: string): number => files.get(file)?.family ?? 2
  const putName = (file: string, address: string, port: number, flowinfo = 0): number => {
    const family = familyOf(file)
    const words = parseAddr(address)!.words
    name.bytes.fill(0)
    name.view.setUint16(0, family, true)
    name.view.setUint16(2, port)
    if (family === AF_INET6) name.view.setInt32(4, flowinfo)
    if (family !== AF_INET6) name.view.setInt32(4, words[3])
    else for (const [w, word] of words.entries()) name.view.setInt32(8 + 4 * w, word)
    return family === AF_INET6 ? 28 : 16
  }
  const readName = (): string => {
    const port = shownPort(name.view.getUint16(2))
    if (name.view.getUint16(0, true) !== AF_INET6)
      return `${formatWords(...mapIpv4(name.view.getInt32(4)))} ${port}`
    const [a, b, c, d] = [0, 1, 2, 3].map((w) => name.view.getInt32(8 + 4 * w))
    return `${formatWords(a!, b!, c!, d!)} ${port}`
  }
  const named = (result: number): Answer => (result < 0 ? -errno() : readName())
  const fill = (file: string): void => {
    data.bytes.fill(0)
    data.bytes[0] = PAYLOAD(familyOf(file))
  }
  const open = (file: string, fd: number, family: number): number => {
    if (fd < 0) return -errno()
    files.set(file, { fd, family })
    return 0
  }
  const withRoom = (): number => {
    length.view.setUint32(0, 28, true)
    return length.at
  }
  const putMessage = (octets: number): number => {
    message.bytes.fill(0)
    message.view.setBigUint64(0, BigInt(data.at), true)
    message.view.setBigUint64(8, BigInt(octets), true)
    message.view.setBigUint64(16 + 16, BigInt(message.at), true)
    message.view.setBigUint64(16 + 24, 1n, true)
    return message.at + 16
  }
  /** Lays control messages out; their length. */
  const putControl = (messages: readonly Control[]): number => {
    let at = 0
    control.bytes.fill(0)
    for (const [level, type, text] of messages) {
      const octets = Buffer.from(text, 'hex')
      control.view.setBigUint64(at, BigInt(16 + octets.length), true)
      control.view.setInt32(at + 8, level, true)
      control.view.setInt32(at + 12, type, true)
      control.bytes.set(octets, at + 16)
      at += 16 + ((octets.length + 7) & ~7)
    }
    return at
  }
  /** The control messages in the first `end` octets of `control`. */
  const shownControl = (end: number): string => {
    let shown = ''
    for (let at = 0; at + 16 <= end; ) {
      const size = Number(control.view.getBigUint64(at, true))
      const [level, type] = [
        control.view.getInt32(at + 8, true),
        control.view.getInt32(at + 12, true),
      ]
      shown += ` ${shownCmsg(level, type, control.bytes.slice(at + 16, at + size))}`
      at += (size + 7) & ~7
    }
    return shown
  }
  /** What recvmsg has put into the message: its flags, its name, and the control messages in `control`. */
  const readMessage = (): string => {
    const from = message.view.getUint32(16 + 8, true) === 0 ? '' : ` from ${readName()}`
    const flags = shownFlags(message.view.getUint32(16 + 48, true))
    return flags + from + shownControl(Number(message.view.getBigUint64(16 + 40, true)))
  }
  const close = (file: string): number => {
    const fd = fdOf(file)
    files.delete(file)
    return fd < 0 ? -EBADF : answer(libc.close(fd))
  }

  return {
    name: 'kernel',
    settle: () => {},
    end: () => {
      for (const file of [...files.keys()]) close(file)
    },
    socket: (file, family, type, protocol) =>
      open(file, libc.socket(family, type | NONBLOCK, protocol), family),
    socketpair: (family, type, protocol) =>
      answer(libc.socketpair(family, type | NONBLOCK, protocol, value.at)),
    bind: (file, address, port) =>
      answer(libc.bind(fdOf(file), name.at, putName(file, address, port))),
    connect: (file, address, port, flowinfo = 0) =>
      answer(libc.connect(fdOf(file), name.at, putName(file, address, port, flowinfo))),
    listen: (file, backlog) => answer(more.listen(fdOf(file), backlog)),
    accept: (file, child) => open(child, more.accept4(fdOf(file), 0, 0, NONBLOCK), familyOf(file)),
    getsockname: (file) => named(libc.getsockname(fdOf(file), name.at, withRoom())),
    getpeername: (file) => named(more.getpeername(fdOf(file), name.at, withRoom())),
    send: (file, octets, flags = 0) => {
      fill(file)
      return answer(libc.send(fdOf(file), data.at, octets, flags | MSG_NOSIGNAL))
    },
    recv: (file, octets, flags = 0) => answer(libc.recv(fdOf(file), data.at, octets, flags)),
    sendto: (file, octets, address, port, flags = 0, flowinfo = 0) => {
      fill(file)
      const size = putName(file, address, port, flowinfo)
      return answer(more.sendto(fdOf(file), data.at, octets, flags | MSG_NOSIGNAL, name.at, size))
    },
    recvfrom: (file, octets, flags = 0) => {
      name.bytes.fill(0)
      const n = more.recvfrom(fdOf(file), data.at, octets, flags, name.at, withRoom())
      if (n < 0) return -errno()
      return length.view.getUint32(0, true) === 0 ? `${n}` : `${n} from ${readName()}`
    },
    sendmsg: (file, octets, flags = 0) => {
      fill(file)
      return answer(libc.sendmsg(fdOf(file), putMessage(octets), flags | MSG_NOSIGNAL))
    },
    sendcmsg: (file, octets, address, port, ...messages) => {
      fill(file)
      const at = putMessage(octets)
      message.view.setBigUint64(16, BigInt(name.at), true)
      message.view.setUint32(16 + 8, putName(file, address, port), true)
      message.view.setBigUint64(16 + 32, BigInt(control.at), true)
      message.view.setBigUint64(16 + 40, BigInt(putControl(messages)), true)
      return answer(libc.sendmsg(fdOf(file), at, MSG_NOSIGNAL))
    },
    recvmsg: (file, octets, flags = 0) =>
      answer(libc.recvmsg(fdOf(file), putMessage(octets), flags)),
    recvcmsg: (file, octets, flags = 0) => {
      name.bytes.fill(0)
      const at = putMessage(octets)
      message.view.setBigUint64(16, BigInt(name.at), true)
      message.view.setUint32(16 + 8, 28, true)
      message.view.setBigUint64(16 + 32, BigInt(control.at), true)
      message.view.setBigUint64(16 + 40, 512n, true)
      const n = libc.recvmsg(fdOf(file), at, flags)
      return n < 0 ? -errno() : `${n}${readMessage()}`
    },
    shutdown: (file, how) => answer(more.shutdown(fdOf(file), how)),
    setsockopt: (file, level, option, given) => {
      value.view.setInt32(0, given, true)
      return answer(libc.setsockopt(fdOf(file), level, option, value.at, 4))
    },
    getsockopt: (file, level, option) => {
      value.bytes.fill(0)
      length.view.setUint32(0, 4, true)
      const result = libc.getsockopt(fdOf(file), level, option, value.at, length.at)
      if (result < 0) return -errno()
      return length.view.getUint32(0, true) === 1 ? value.bytes[0]! : value.view.getInt32(0, true)
    },
    setbytes: (file, level, option, octets) => {
      control.bytes.set(Buffer.from(octets, 'hex'))
      const size = octets.length / 2
      return answer(libc.setsockopt(fdOf(file), level, option, control.at, size))
    },
    getbytes: (file, level, option) => {
      length.view.setUint32(0, 512, true)
      const result = libc.getsockopt(fdOf(file), level, option, control.at, length.at)
      return result < 0 ? -errno() : hex(control.bytes.slice(0, length.view.getUint32(0, true)))
    },
    getcmsg: (file, level, option) => {
      length.view.setUint32(0, 512, true)
      const result = libc.getsockopt(fdOf(file), level, option, control.at, length.at)
      return result < 0 ? -errno() : `told${shownControl(length.view.getUint32(0, true))}`
    },
    getinfo: (file) => {
      length.view.setUint32(0, 512, true)
      const result = libc.getsockopt(fdOf(file), 6, TCP_INFO, control.at, length.at)
      return result < 0 ? -errno() : shownInfo(control.bytes.slice(0, 240))
    },
    poll: (file) => {
      value.view.setInt32(0, fdOf(file), true)
      value.view.setInt32(4, POLL_ALL, true)
      const result = more.poll(value.at, 1, 0)
      return result < 0 ? -errno() : value.view.getUint16(6, true)
    },
    close,
  }
}
