/**
 * TCP as the socket layer calls it: createTcp's operations take addresses as words of an array and the bits of
 * SK_SHUTDOWN, a Proto takes them as numbers, as UDP does. Made by core/stack.ts; worker only.
 */
import type { Proto } from './proto.ts'

/** What createTcp returns, as far as it is used here. */
export type TcpOps = {
  open: (family: number) => number
  bind: (sk: number, words: Int32Array, at: number, port: number) => number
  connect: (sk: number, words: Int32Array, at: number, port: number) => number
  listen: (sk: number, backlog: number) => number
  accept: (sk: number) => number
  sendmsg: (sk: number, from: number, len: number, flags: number) => number
  sendBytes: (sk: number, bytes: Uint8Array, from: number, len: number) => number
  recvmsg: (sk: number, to: number, len: number) => number
  recvBytes: (sk: number, bytes: Uint8Array, at: number, len: number) => number
  shutdown: (sk: number, bits: number) => number
  close: (sk: number) => void
  abort: (sk: number) => void
  setOption: (sk: number, level: number, name: number, value: number) => number
  getOption: (sk: number, level: number, name: number) => number
}

export const tcpProto = (tcp: TcpOps): Proto => {
  const words = new Int32Array(4)
  const fill = (a0: number, a1: number, a2: number, a3: number): Int32Array => {
    words[0] = a0
    words[1] = a1
    words[2] = a2
    words[3] = a3
    return words
  }
  return {
    open: tcp.open,
    bind: (sk, a0, a1, a2, a3, port) => tcp.bind(sk, fill(a0, a1, a2, a3), 0, port),
    connect: (sk, a0, a1, a2, a3, port) => tcp.connect(sk, fill(a0, a1, a2, a3), 0, port),
    listen: tcp.listen,
    accept: tcp.accept,
    sendmsg: tcp.sendmsg,
    sendBytes: (sk, bytes, from, len) => tcp.sendBytes(sk, bytes, from, len),
    recvmsg: (sk, to, len) => tcp.recvmsg(sk, to, len),
    recvBytes: (sk, bytes, at, len) => tcp.recvBytes(sk, bytes, at, len),
    // SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2 are one less than the bits they mean
    shutdown: (sk, how) => tcp.shutdown(sk, how + 1),
    close: tcp.close,
    abort: tcp.abort,
    setOption: tcp.setOption,
    getOption: tcp.getOption,
  }
}
