// Raw and ping sockets for the hosts of a simulation (net-sim.ts): one that keeps what it hears.

import { AF_INET } from '../../core/base/family.ts'
import { PEER_ADDR } from '../../core/socket/socket-constants.ts'
import type { SOCK_DGRAM, SOCK_RAW } from '../../core/socket/sock.ts'
import { formatWords, parseAddr } from '../../core/wire/text.ts'
import type { SimHost } from './net-sim.ts'

const EAGAIN = 11
const ROOM = 65536

export type RawEnd = ReturnType<typeof openSocket>

/** A socket of any type but a stream's, or -errno in `sk`. */
export const openSocket = (
  host: SimHost,
  type: typeof SOCK_RAW | typeof SOCK_DGRAM,
  protocol: number,
  family = AF_INET,
  worker = 0
) => {
  const { sockets } = host.stacks[worker]!
  const { u8 } = host.arena
  const sk = sockets.socket(family, type, protocol)
  const heard: { bytes: Uint8Array; from: string }[] = []
  const errors: number[] = []
  const words = (text: string): [Int32Array, number] => [Int32Array.from(parseAddr(text)!.words), 0]
  const receive = (): void => {
    for (;;) {
      const n = sockets.recvfrom(sk, host.page, ROOM)
      if (n === -EAGAIN) return
      if (n < 0) {
        errors.push(-n)
        continue
      }
      const [a, b, c, d] = sockets.peerOf(sk).subarray(PEER_ADDR, PEER_ADDR + 4)
      const bytes = u8.slice(host.page, host.page + n)
      heard.push({ bytes, from: formatWords(a!, b!, c!, d!) })
    }
  }
  if (sk > 0) sockets.attach(sk, sockets.registerHandler(receive), 0)
  return {
    sk,
    heard,
    errors,
    sockets,
    bind: (addr: string, port = 0): number => sockets.bind(sk, ...words(addr), port),
    connect: (addr: string, port = 0): number => sockets.connect(sk, ...words(addr), port),
    /** To an address, or to the connected peer: the count, or -errno. */
    send: (bytes: Uint8Array, to?: string, port = 0): number => {
      u8.set(bytes, host.page)
      return to === undefined
        ? sockets.sendmsg(sk, host.page, bytes.length, 0)
        : sockets.sendto(sk, host.page, bytes.length, ...words(to), port)
    },
    close: (): void => sockets.close(sk),
  }
}
