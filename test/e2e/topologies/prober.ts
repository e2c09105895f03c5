// What speaks and listens in a namespace of the kernel's: it sends packets as they are, by the kernel's routes and neighbours,
// and keeps what arrives.

import { addressOf, type Block, block, check, libc, putAddress } from '../../../workers/os/libc.ts'
import { parseAddr } from '../../../core/wire/text.ts'
import { isChatter, type Probe } from './probe.ts'

const AF_INET = 2
const AF_INET6 = 10
const AF_PACKET = 17
const SOCK_RAW = 3
const NONBLOCK_CLOEXEC = 0x80800
const IPPROTO_RAW = 255
const ETH_P_ALL = 3
const SOL_SOCKET = 1
const SO_BROADCAST = 6
const SO_BINDTODEVICE = 25
const SOL_PACKET = 263
const PACKET_IGNORE_OUTGOING = 23
const MOST_FRAME = 66000
const ETH_HLEN = 14

const frame = new Uint8Array(new ArrayBuffer(MOST_FRAME))
const frameAt = addressOf(frame)
const one = block(4)
one.view.setInt32(0, 1, true)

/** Everything that comes in, on any device or on one. */
const openCapture = (ifindex: number): number => {
  const fd = check(libc.socket(AF_PACKET, SOCK_RAW | NONBLOCK_CLOEXEC, 0), 'socket AF_PACKET')
  const ignore = libc.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, one.at, 4)
  check(ignore, 'PACKET_IGNORE_OUTGOING')
  const address = block(20)
  address.view.setUint16(0, AF_PACKET, true)
  address.view.setUint16(2, ETH_P_ALL)
  address.view.setInt32(4, ifindex, true)
  check(libc.bind(fd, address.at, 20), 'bind')
  return fd
}

const sockaddr = (daddr: string) => {
  const { family, words } = parseAddr(daddr)!
  const address = block(family === 4 ? 16 : 28)
  address.view.setUint16(0, family === 4 ? AF_INET : AF_INET6, true)
  if (family === 4) address.view.setInt32(4, words[3])
  else for (const [k, word] of words.entries()) address.view.setInt32(8 + 4 * k, word)
  return address
}

const iov = block(16)
const message = block(56)
/**
 * Not by a socket that is connected: the kernel would give its packets a hash of the socket's own (sk_set_txhash), by which its routers
 * choose among next hops.
 */
const sendTo = (fd: number, address: Block, packet: Uint8Array): number => {
  putAddress(iov.view, 0, addressOf(packet))
  putAddress(iov.view, 8, packet.length)
  putAddress(message.view, 0, address.at)
  message.view.setUint32(8, address.bytes.length, true)
  putAddress(message.view, 16, iov.at)
  putAddress(message.view, 24, 1)
  return libc.sendmsg(fd, message.at, 0)
}

/** `enter` makes the namespace this thread's; of its devices the one with that number is listened on, 0: all. */
export const createProber = (enter: () => void, ifindex = 0) => {
  enter()
  const capture = openCapture(ifindex)

  const send = ({ daddr, dev, packet }: Probe): void => {
    enter()
    const address = sockaddr(daddr)
    const family = address.view.getUint16(0, true)
    const fd = check(libc.socket(family, SOCK_RAW, IPPROTO_RAW), 'socket SOCK_RAW')
    try {
      libc.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, one.at, 4)
      if (dev !== undefined) {
        const name = Buffer.from(`${dev}\0`)
        check(
          libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, addressOf(name), name.length),
          'SO_BINDTODEVICE'
        )
      }
      check(sendTo(fd, address, packet), `send to ${daddr}`)
    } finally {
      libc.close(fd)
    }
  }
  /** IP packets that have come for one of `macs`, or for all, since the last time. */
  const take = (macs: ReadonlySet<string>): Uint8Array[] => {
    const taken: Uint8Array[] = []
    for (;;) {
      const n = libc.read(capture, frameAt, MOST_FRAME)
      if (n <= ETH_HLEN) return taken
      const isOurs =
        (frame[0]! & 1) !== 0 || macs.has(Buffer.from(frame.subarray(0, 6)).toString('hex'))
      const type = (frame[12]! << 8) | frame[13]!
      const packet = frame.slice(ETH_HLEN, n)
      if (isOurs && (type === 0x0800 || type === 0x86dd) && !isChatter(packet)) taken.push(packet)
    }
  }
  return { send, take, close: () => void libc.close(capture) }
}
