/**
 * TCP sockets as the kernel's sock_diag answers of them, one message behind the other (`ss -D FILE`): what `ss` itself reads, where
 * $TCPDIAG_FILE names the file. Of sockets here that is all but what they tell with -i. Linux: linux/inet_diag.h, inet_sk_diag_fill().
 */
import type { SockItem } from '../../../core/control/text/messages.ts'
import { SK_STATE_NAMES } from '../../../core/socket/sock.ts'
import { parseAddr } from '../../../core/wire/text.ts'

const [AF_INET, AF_INET6] = [2, 10]
const [SOCK_DIAG_BY_FAMILY, NLMSG_DONE, NLM_F_MULTI] = [20, 3, 2]
/** What ss gives its requests. */
const SEQUENCE = 123_456
// INET_DIAG_*
const [TOS, TCLASS, SKMEMINFO, SHUTDOWN, V6ONLY, MARK, CLASS_ID] = [5, 6, 7, 8, 11, 15, 17]
const TIMERS = ['', 'on', 'keepalive', 'timewait', 'persist']
/** struct inet_diag_msg */
const MESSAGE = 72
const HEADER = 16

const attribute = (type: number, value: Buffer): Buffer => {
  const whole = Buffer.alloc(4 + ((value.length + 3) & ~3))
  whole.writeUInt16LE(4 + value.length, 0)
  whole.writeUInt16LE(type, 2)
  value.copy(whole, 4)
  return whole
}
const octet = (type: number, value: number): Buffer => attribute(type, Buffer.of(value))
const words = (type: number, ...values: number[]): Buffer =>
  attribute(type, Buffer.from(Uint32Array.from(values).buffer))
const message = (type: number, ...parts: Buffer[]): Buffer => {
  const header = Buffer.alloc(HEADER)
  header.writeUInt32LE(HEADER + parts.reduce((sum, { length }) => sum + length, 0), 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(NLM_F_MULTI, 6)
  header.writeUInt32LE(SEQUENCE, 8)
  return Buffer.concat([header, ...parts])
}

const putAddress = (to: Buffer, at: number, addr: string, isV4: boolean): void => {
  const found = parseAddr(addr)!.words
  if (isV4) to.writeInt32BE(found[3], at)
  else for (const [w, word] of found.entries()) to.writeInt32BE(word, at + 4 * w)
}
const isV6 = ({ family }: SockItem): boolean => family === 'inet6'
const diagOf = (sock: SockItem, ifindexOf: (dev: string) => number): Buffer => {
  const { local, peer, timer, dev } = sock
  const fixed = Buffer.alloc(MESSAGE)
  fixed[0] = isV6(sock) ? AF_INET6 : AF_INET
  fixed[1] = SK_STATE_NAMES.indexOf(sock.state)
  fixed[2] = Math.max(0, TIMERS.indexOf(timer?.type ?? ''))
  fixed[3] = timer?.retrans ?? 0
  fixed.writeUInt16BE(local.port, 4)
  fixed.writeUInt16BE(peer.port, 6)
  putAddress(fixed, 8, local.addr, !isV6(sock))
  putAddress(fixed, 24, peer.addr, !isV6(sock))
  fixed.writeUInt32LE(dev === undefined ? 0 : ifindexOf(dev), 40)
  fixed.writeUInt32LE(Number.parseInt(sock.sk, 16), 44)
  fixed.writeUInt32LE(timer?.expires_ms ?? 0, 52)
  fixed.writeUInt32LE(sock.recv_q, 56)
  fixed.writeUInt32LE(sock.send_q, 60)
  return fixed
}
/** Of what is only left of a connection, or may become one, there are none. */
const attributesOf = (sock: SockItem, withMemory: boolean): Buffer[] => {
  if (sock.tos === undefined) return []
  const { skmem, tos, tclass, mark = 0, priority = 0 } = sock
  const { rmem_alloc, rcv_buf, wmem_alloc, snd_buf, sock_drop } = skmem
  const isListener = sock.state === 'LISTEN' || sock.state === 'UNCONN'
  return [
    octet(TOS, tos),
    ...(tclass === undefined ? [] : [octet(TCLASS, tclass)]),
    ...(isV6(sock) && isListener ? [octet(V6ONLY, sock.v6only === true ? 1 : 0)] : []),
    octet(SHUTDOWN, sock.shutdown),
    words(MARK, mark),
    words(CLASS_ID, priority),
    ...(withMemory
      ? [words(SKMEMINFO, rmem_alloc, rcv_buf, 0, snd_buf, 0, wmem_alloc, 0, 0, sock_drop)]
      : []),
  ]
}

export const ssDiag = (
  socks: readonly SockItem[],
  withMemory: boolean,
  ifindexOf: (dev: string) => number
): Buffer =>
  Buffer.concat([
    ...socks.map((sock) =>
      message(SOCK_DIAG_BY_FAMILY, diagOf(sock, ifindexOf), ...attributesOf(sock, withMemory))
    ),
    message(NLMSG_DONE, Buffer.alloc(4)),
  ])
