// The kernel's half: a network namespace with one TAP, and the system calls of sockets in it. What is written to a TAP without
// NAPI is received within the call, so its answers can be read right after.

import { dlopen } from 'bun:ffi'
import { writeFileSync } from 'node:fs'
import {
  addressOf,
  block,
  check,
  errno,
  libc,
  O_RDONLY,
  openPath,
} from '../../../workers/os/libc.ts'
import { openTap } from '../../../workers/os/tap.ts'
import { type End, INFO, paceOf, SOCK_DGRAM } from './end.ts'
import type { World } from './script.ts'
import { datagramFrame, makeFlow, peerOf } from './wire.ts'
import {
  DEVICE,
  GATEWAY_MAC,
  HOST_MAC,
  MOST_CASES,
  NETS,
  PEER_PORT,
  UNLIMITED,
  addressBytes,
  peerText,
} from './world.ts'

const { listen, accept4, sendto, shutdown } = dlopen('libc.so.6', {
  listen: { args: ['i32', 'i32'], returns: 'i32' },
  accept4: { args: ['i32', 'usize', 'usize', 'i32'], returns: 'i32' },
  sendto: { args: ['i32', 'usize', 'usize', 'i32', 'usize', 'i32'], returns: 'i32' },
  shutdown: { args: ['i32', 'i32'], returns: 'i32' },
}).symbols

const CLONE_NEWNET = 0x40000000
const CLOEXEC = 0x80000
const NONBLOCK_CLOEXEC = 0x800 | CLOEXEC
const MSG_DONTWAIT = 0x40
const AF = { ipv4: 2, ipv6: 10 }
const MSG_NOSIGNAL = 0x4000
const SOL_SOCKET = 1
const SO_LINGER = 13
const IPPROTO_TCP = 6
const TCP_INFO = 11
const MOST_FRAME = 2000
/** struct tcp_info, as far as INFO goes. */
const TCP_INFO_LEN = 240
const POLL_ALL = 0x2007

/** Nothing but what the cases do: no neighbours to ask for, no routers, no labels. */
const QUIET = {
  ipv4: [],
  ipv6: [
    'net.ipv6.auto_flowlabels=0',
    'net.ipv6.conf.default.accept_ra=0',
    'net.ipv6.conf.default.accept_dad=0',
    'net.ipv6.conf.default.addr_gen_mode=1',
  ],
}
const COMPARABLE = ['net.ipv4.tcp_no_metrics_save=1']
const setSysctl = (setting: string): void => {
  const [name = '', value = ''] = setting.split('=')
  writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value.replaceAll(',', ' '))
}

const UP_MS = 2000
/** Addresses and routes are there a moment after their link is: until a datagram to a port of nobody's is answered. */
const waitUntilUp = (family: World['family'], tap: number, frame: Uint8Array): void => {
  const stranger = makeFlow(family, MOST_CASES, 0)
  const datagram = { len: 0, from: 0, to: 0, sum: 'good', size: 0 } as const
  const probe = datagramFrame(stranger, datagram)
  const at = addressOf(frame)
  for (const end = performance.now() + UP_MS; performance.now() < end; Bun.sleepSync(1)) {
    frame.set(probe)
    libc.write(tap, at, probe.length)
    for (let n = libc.read(tap, at, MOST_FRAME); n > 0; n = libc.read(tap, at, MOST_FRAME))
      if (peerOf(family, frame.subarray(0, n)) === MOST_CASES) return
  }
  throw new Error('the link does not come up')
}

export const createKernelEnd = ({ family, sysctls }: World): End => {
  const net = NETS[family]
  check(libc.unshare(CLONE_NEWNET), 'unshare')
  const namespace = openPath('/proc/thread-self/ns/net', O_RDONLY)
  for (const setting of [...QUIET[family], ...COMPARABLE, ...UNLIMITED, ...sysctls])
    setSysctl(setting)
  const { fd: tap } = openTap({
    name: DEVICE,
    vnetHdr: false,
    link: { mac: HOST_MAC, mtu: net.mtu, up: true },
  })
  const lines = [
    'link set lo up',
    `addr add ${net.local}/${net.plen} dev ${DEVICE}`,
    `neigh add ${net.gateway} lladdr ${GATEWAY_MAC} dev ${DEVICE} nud permanent`,
    `route add default via ${net.gateway}`,
  ]
  const ip = Bun.spawnSync(['ip', '-batch', '-'], { stdin: Buffer.from(lines.join('\n')) })
  if (ip.exitCode !== 0) throw new Error(`ip: ${ip.stderr.toString()}`)

  const frame = new Uint8Array(new ArrayBuffer(MOST_FRAME))
  const frameAt = addressOf(frame)
  waitUntilUp(family, tap, frame)
  const name = block(28)
  const nameLen = family === 'ipv4' ? 16 : 28
  const setName = (address: string | null, port: number): void => {
    name.bytes.fill(0)
    name.view.setUint16(0, AF[family], true)
    name.view.setUint16(2, port)
    if (address !== null) name.bytes.set(addressBytes(address), family === 'ipv4' ? 4 : 8)
  }
  const value = block(8)
  const length = block(4)
  const polled = block(8)
  const data = block(1 << 18)
  const info = block(TCP_INFO_LEN)
  const answer = (result: number): number => (result < 0 ? -errno() : result)

  return {
    name: 'kernel',
    // whoever has made another namespace since has left this thread in that
    begin: () => void check(libc.setns(namespace, CLONE_NEWNET), 'setns'),
    receive: (bytes) => {
      frame.set(bytes)
      libc.write(tap, frameAt, bytes.length)
    },
    take: () => {
      const frames: Uint8Array[] = []
      for (;;) {
        const n = libc.read(tap, frameAt, MOST_FRAME)
        if (n <= 0) return frames
        frames.push(frame.slice(0, n))
      }
    },
    // poll of a datagram socket that may block looks at checksums, as softnet does when they come (udp_poll)
    socket: (type) =>
      answer(
        libc.socket(AF[family], type === SOCK_DGRAM ? type | CLOEXEC : type | NONBLOCK_CLOEXEC, 0)
      ),
    bind: (file, port) => {
      setName(null, port)
      return answer(libc.bind(file, name.at, nameLen))
    },
    listen: (file, backlog) => answer(listen(file, backlog)),
    accept: (file) => answer(accept4(file, 0, 0, NONBLOCK_CLOEXEC)),
    connect: (file, peer) => {
      setName(peerText(family, peer), PEER_PORT)
      return answer(libc.connect(file, name.at, nameLen))
    },
    send: (file, bytes, flags) => {
      data.bytes.set(bytes)
      return answer(libc.send(file, data.at, bytes.length, flags | MSG_NOSIGNAL | MSG_DONTWAIT))
    },
    sendto: (file, bytes, peer) => {
      data.bytes.set(bytes)
      setName(peerText(family, peer), PEER_PORT)
      return answer(
        sendto(file, data.at, bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT, name.at, nameLen)
      )
    },
    recv: (file, into, flags) => {
      const n = answer(libc.recv(file, data.at, into.length, flags | MSG_DONTWAIT))
      if (n > 0) into.set(data.bytes.subarray(0, Math.min(n, into.length)))
      return n
    },
    shutdown: (file, how) => answer(shutdown(file, how)),
    set: (file, level, option, number) => {
      value.view.setInt32(0, number, true)
      if (level === SOL_SOCKET && option === SO_LINGER) {
        value.view.setInt32(0, number < 0 ? 0 : 1, true)
        value.view.setInt32(4, Math.max(0, number), true)
        return answer(libc.setsockopt(file, level, option, value.at, 8))
      }
      return answer(libc.setsockopt(file, level, option, value.at, 4))
    },
    get: (file, level, option) => {
      length.view.setInt32(0, 4, true)
      const result = answer(libc.getsockopt(file, level, option, value.at, length.at))
      return result < 0 ? result : value.view.getInt32(0, true)
    },
    closeFile: (file) => answer(libc.close(file)),
    poll: (file) => {
      polled.view.setInt32(0, file, true)
      polled.view.setInt16(4, POLL_ALL, true)
      return libc.poll(polled.at, 1, 0) > 0 ? polled.view.getInt16(6, true) : 0
    },
    state: (file) => {
      length.view.setInt32(0, 1, true)
      value.bytes[0] = 0
      libc.getsockopt(file, IPPROTO_TCP, TCP_INFO, value.at, length.at)
      return value.bytes[0]!
    },
    info: (file) => {
      length.view.setInt32(0, TCP_INFO_LEN, true)
      libc.getsockopt(file, IPPROTO_TCP, TCP_INFO, info.at, length.at)
      return INFO.map(([, at, octets]) =>
        octets === 1 ? info.bytes[at]! : info.view.getUint32(at, true)
      )
    },
    pace: () => paceOf(info.view.getUint32(104, true), info.view.getUint32(148, true)),
    rto: () => info.view.getUint32(8, true) / 1000,
    close: () => {
      libc.close(tap)
      libc.close(namespace)
    },
  }
}
