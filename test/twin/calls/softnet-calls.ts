// softnet's side: the socket calls of a whole stack with lo alone, in virtual time.

import { AF_INET, AF_PACKET } from '../../../core/base/family.ts'
import { Errno } from '../../../core/base/errno.ts'
import { PEER_ADDR, PEER_PORT } from '../../../core/socket/socket-constants.ts'
import { SOCK_STREAM } from '../../../core/socket/sock.ts'
import { formatWords, mapIpv4, parseAddr } from '../../../core/wire/text.ts'
import { createSim } from '../../../sim/net/net-sim.ts'
import { CMSG_HEADER } from '../../../core/socket/msg/cmsg.ts'
import {
  type Answer,
  type Control,
  LO_MTU,
  PAYLOAD,
  type Side,
  shownCmsg,
  shownFlags,
  shownInfo,
  shownPort,
} from './calls.ts'
import { IPPROTO_TCP } from '../../../core/wire/ipproto.ts'

const swap16 = (value: number): number => ((value & 0xff) << 8) | (value >> 8)

const TCP_INFO = 11
/** Time in which what goes over lo has come. */
const SETTLE_MS = 2

export const createSoftnetCalls = async (): Promise<Side> => {
  const sim = createSim(1)
  const host = await sim.host('softnet', {
    setup: { link: [{ ifname: 'lo', up: true, mtu: LO_MTU }] },
  })
  sim.run(3000)
  const { sockets } = host.stack
  const { u8, i32 } = host.arena
  const files = new Map<string, { sk: number; family: number; type: number }>()
  const page = host.page
  const scratch = host.page >> 2

  const words = (address: string): [Int32Array, number] => [
    Int32Array.from(parseAddr(address)!.words),
    0,
  ]
  const show = (family: number, at: Int32Array, from: number, port: number): string => {
    const [a, b, c, d] = at.subarray(from, from + 4)
    const shown = family === AF_INET ? formatWords(...mapIpv4(d!)) : formatWords(a!, b!, c!, d!)
    return `${shown} ${shownPort(port)}`
  }
  const on = (file: string, call: (sk: number, type: number, family: number) => Answer): Answer => {
    const found = files.get(file)
    return found === undefined ? -Errno.EBADF : call(found.sk, found.type, found.family)
  }
  const open = (file: string, sk: number, family: number, type: number): number => {
    if (sk < 0) return sk
    files.set(file, { sk, family, type })
    return 0
  }
  const fill = (family: number): void => {
    u8.fill(0, page, page + 65536)
    u8[page] = PAYLOAD(family)
  }
  const send = (file: string, octets: number, flags = 0): Answer =>
    on(file, (sk, _type, family) => {
      fill(family)
      return sockets.sendmsg(sk, page, octets, flags)
    })
  const recv = (file: string, octets: number, flags = 0): Answer =>
    on(file, (sk) => sockets.recvmsg(sk, page, octets, flags))
  const control = (messages: readonly Control[]): Int32Array =>
    Int32Array.from(
      messages.flatMap(([level, type, text]) => {
        const octets = Buffer.from(text, 'hex')
        const padded = Buffer.concat([octets, Buffer.alloc(-octets.length & 3)])
        const data = Array.from({ length: padded.length >> 2 }, (_, k) => padded.readInt32LE(4 * k))
        return [level, type, octets.length, ...data]
      })
    )
  const shownControl = (words: Int32Array, length: number): string => {
    const octets = new Uint8Array(words.buffer)
    let shown = ''
    for (let at = 0; at < length; ) {
      const [level, type, size] = words.subarray(at, at + CMSG_HEADER)
      const from = (at + CMSG_HEADER) << 2
      shown += ` ${shownCmsg(level!, type!, octets.subarray(from, from + size!))}`
      at += CMSG_HEADER + ((size! + 3) >> 2)
    }
    return shown
  }
  /** What the last call that received has answered beside its count. */
  const message = (sk: number, family: number): string => {
    const { control } = sockets
    const peer = sockets.peerOf(sk)
    const isNone = peer.every((word) => word === 0)
    const from = isNone ? '' : ` from ${show(family, peer, PEER_ADDR, peer[PEER_PORT]!)}`
    return shownFlags(control.flags()) + from + shownControl(control.words, control.length())
  }
  const close = (file: string): Answer =>
    on(file, (sk) => {
      sockets.close(sk)
      files.delete(file)
      return 0
    })

  return {
    name: 'softnet',
    settle: () => void sim.run(SETTLE_MS),
    end: () => {
      for (const file of [...files.keys()]) {
        close(file)
        sim.run(SETTLE_MS)
      }
    },
    socket: (file, family, type, protocol) => {
      // the kernel has ethertypes in network order
      const number = family === AF_PACKET ? swap16(protocol) : protocol
      return open(file, sockets.socket(family, type, number), family, type)
    },
    socketpair: (family, type, protocol) => sockets.socketpair(family, type, protocol),
    bind: (file, address, port) => on(file, (sk) => sockets.bind(sk, ...words(address), port)),
    connect: (file, address, port, flowinfo = 0) =>
      on(file, (sk) => sockets.connect(sk, ...words(address), port, 0, flowinfo)),
    listen: (file, backlog) => on(file, (sk) => sockets.listen(sk, backlog)),
    accept: (file, child) =>
      on(file, (sk, type, family) => open(child, sockets.accept(sk), family, type)),
    getsockname: (file) =>
      on(file, (sk, _type, family) => {
        sockets.getsockname(sk, scratch)
        return show(family, i32, scratch, i32[scratch + 4]!)
      }),
    getpeername: (file) =>
      on(file, (sk, _type, family) => {
        const error = sockets.getpeername(sk, scratch)
        return error < 0 ? error : show(family, i32, scratch, i32[scratch + 4]!)
      }),
    send,
    recv,
    sendmsg: send,
    recvmsg: recv,
    sendto: (file, octets, address, port, flags = 0, flowinfo = 0) =>
      on(file, (sk, _type, family) => {
        fill(family)
        return sockets.sendto(sk, page, octets, ...words(address), port, 0, flags, flowinfo)
      }),
    sendcmsg: (file, octets, address, port, ...messages) =>
      on(file, (sk, _type, family) => {
        fill(family)
        const told = control(messages)
        const result =
          sockets.beginControl(sk, told, told.length, ...words(address)) ||
          sockets.sendto(sk, page, octets, ...words(address), port)
        sockets.endControl()
        return result
      }),
    recvfrom: (file, octets, flags = 0) =>
      on(file, (sk, type, family) => {
        if (type === SOCK_STREAM) {
          const n = sockets.recvmsg(sk, page, octets, flags)
          return n < 0 ? n : `${n}`
        }
        const n = sockets.recvfrom(sk, page, octets, flags)
        if (n < 0) return n
        const peer = sockets.peerOf(sk)
        return `${n} from ${show(family, peer, PEER_ADDR, peer[PEER_PORT]!)}`
      }),
    recvcmsg: (file, octets, flags = 0) =>
      on(file, (sk, type, family) => {
        const receive = type === SOCK_STREAM ? sockets.recvmsg : sockets.recvfrom
        const n = receive(sk, page, octets, flags)
        return n < 0 ? n : `${n}${message(sk, family)}`
      }),
    shutdown: (file, how) => on(file, (sk) => sockets.shutdown(sk, how)),
    setsockopt: (file, level, option, value) =>
      on(file, (sk) => sockets.setsockopt(sk, level, option, value)),
    getsockopt: (file, level, option) => on(file, (sk) => sockets.getsockopt(sk, level, option)),
    setbytes: (file, level, option, text) =>
      on(file, (sk) => {
        const told = new Int32Array(64)
        const size = Buffer.from(text, 'hex').copy(new Uint8Array(told.buffer))
        return sockets.setsockoptName(sk, level, option, told, 0, size)
      }),
    getbytes: (file, level, option) =>
      on(file, (sk) => {
        const told = new Int32Array(128)
        const n = sockets.getsockoptName(sk, level, option, told, 0)
        return n < 0 ? n : Buffer.from(told.buffer, 0, n).toString('hex')
      }),
    getcmsg: (file, level, option) =>
      on(file, (sk) => {
        const told = new Int32Array(128)
        const n = sockets.getsockoptName(sk, level, option, told, 0)
        return n < 0 ? n : `told${shownControl(told, n >> 2)}`
      }),
    getinfo: (file) =>
      on(file, (sk) => {
        const told = new Int32Array(128)
        const n = sockets.getsockoptName(sk, IPPROTO_TCP, TCP_INFO, told, 0)
        return n < 0 ? n : shownInfo(new Uint8Array(told.buffer))
      }),
    poll: (file) => on(file, (sk) => sockets.poll(sk)),
    close,
  }
}
