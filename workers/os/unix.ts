// Messages with descriptors between the daemon and its namespace holders: a SOCK_SEQPACKET pair,
// one JSON text a message, file descriptors beside it (SCM_RIGHTS), end of file when a side dies.
// Called by netns.ts on the control thread and by netns-holder.ts; cold. unix(7), cmsg(3).

import type { Block } from './libc.ts'
import { block, check, cstring, Errno, errno, libc, OsError, putAddress } from './libc.ts'

const AF_UNIX = 1
const SOCK_SEQPACKET_CLOEXEC = 0x80005
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000

const MSGHDR_SIZE = 56
const CMSG_HEADER = 16
const MAX_FDS = 64
const MAX_MESSAGE = 65536

export type Message = { text: string; fds: number[] }

/** A connected pair, both ends close-on-exec. */
export const socketPair = (): [number, number] => {
  const pair = block(8)
  check(libc.socketpair(AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, pair.at), 'socketpair')
  return [pair.view.getInt32(0, true), pair.view.getInt32(4, true)]
}

const header = (text: Block, length: number, control: Block) => {
  const iov = block(16)
  putAddress(iov.view, 0, text.at)
  putAddress(iov.view, 8, length)
  const message = block(MSGHDR_SIZE)
  putAddress(message.view, 16, iov.at)
  putAddress(message.view, 24, 1)
  if (control.bytes.length > 0) putAddress(message.view, 32, control.at)
  putAddress(message.view, 40, control.bytes.length)
  // The parts are returned so that they stay referenced until the call is over.
  return { message, iov, text, control }
}

export const sendMessage = (socket: number, text: string, fds: readonly number[] = []): void => {
  const control = block(fds.length === 0 ? 0 : CMSG_HEADER + ((fds.length * 4 + 7) & ~7))
  if (fds.length > 0) {
    putAddress(control.view, 0, CMSG_HEADER + fds.length * 4)
    control.view.setInt32(8, SOL_SOCKET, true)
    control.view.setInt32(12, SCM_RIGHTS, true)
    fds.forEach((fd, i) => {
      control.view.setInt32(CMSG_HEADER + i * 4, fd, true)
    })
  }
  const body = cstring(text)
  const parts = header(body, body.bytes.length - 1, control)
  // a peer that reads nothing any more is an error, not a wait
  check(libc.sendmsg(socket, parts.message.at, MSG_NOSIGNAL | MSG_DONTWAIT), 'sendmsg')
}

/** The next message; null when the other side is gone; undefined when there is none yet. */
export const receiveMessage = (socket: number, wait: boolean): Message | null | undefined => {
  const body = block(MAX_MESSAGE)
  const control = block(CMSG_HEADER + MAX_FDS * 4)
  const parts = header(body, MAX_MESSAGE, control)
  const flags = MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT)
  let received = libc.recvmsg(socket, parts.message.at, flags)
  while (received < 0 && errno() === Errno.EINTR) {
    received = libc.recvmsg(socket, parts.message.at, flags)
  }
  if (received === 0 || (received < 0 && errno() === Errno.ECONNRESET)) return null
  if (received < 0 && errno() === Errno.EAGAIN) return undefined
  if (received < 0) throw new OsError('recvmsg', errno())
  const fds: number[] = []
  // The control area is padded; only cmsg_len tells how many descriptors there are.
  const hasControl = parts.message.view.getUint32(40, true) > 0
  const controlEnd = hasControl ? control.view.getUint32(0, true) : 0
  for (let at = CMSG_HEADER; at + 4 <= controlEnd; at += 4) {
    fds.push(control.view.getInt32(at, true))
  }
  return { text: new TextDecoder().decode(body.bytes.subarray(0, received)), fds }
}
