// softnet's half: a whole stack in this process (sim/net/path-host.ts), whose time goes on as the kernel's does.

import { AF_INET, AF_INET6 } from '../../../core/base/family.ts'
import type { Arena } from '../../../core/shm/arena.ts'
import { SYSCTLS } from '../../../core/shm/sysctl.ts'
import * as sock from '../../../core/socket/sock.ts'
import { CONGESTION_CONTROLS } from '../../../core/transport/tcp/cong/tcp-cong-controls.ts'
import { createPathHost } from '../../../sim/net/path-host.ts'
import { words } from '../../../sim/net/path-tables.ts'
import { tcpInfo } from '../../../packetdrill/tcp-info.ts'
import { type End, INFO, paceOf, POLL_NAMES, SOCK_STREAM } from './end.ts'
import type { World } from './script.ts'
import { GATEWAY_MAC, HOST_MAC, NETS, PEER_PORT, peerText, UNLIMITED } from './world.ts'

const DEV = 2
const CONFIG = {
  skbs: 65536,
  smallBuffers: 65536,
  largeBuffers: 2048,
  socks: 8192,
}
const MSG_DONTWAIT = 0x40
const INFO_NAMES = INFO.map(([name]) => `tcpi_${name}`)
const POLL_SHOWN = POLL_NAMES.reduce((bits, [bit]) => bits | bit, 0)

const setSysctl = (arena: Arena, setting: string): void => {
  const [name, value = ''] = setting.split('=')
  const row = SYSCTLS.find((known) => known.name === name)
  if (row === undefined) throw new Error(`there is no ${name}`)
  const words = value.split(',').map((word) => {
    const control = CONGESTION_CONTROLS.findIndex((one) => one.name === word)
    return control < 0 ? Number(word) : control
  })
  arena.i32.set(words, arena.layout.sysctl + row.first)
}

export const createSoftnetEnd = ({ family, sysctls }: World): End => {
  const net = NETS[family]
  const path = createPathHost({ config: CONFIG })
  path.addDevice(DEV, { mac: HOST_MAC, mtu: net.mtu })
  path.addAddress(DEV, `${net.local}/${net.plen}`)
  path.addRoute(net.all, DEV, { via: net.gateway })
  path.setNeigh(DEV, net.gateway, GATEWAY_MAC)
  path.sent.length = 0
  for (const setting of [...UNLIMITED, ...sysctls]) setSysctl(path.arena, setting)
  const { i32, u8 } = path.arena
  const { sockets, tcp, skbs } = path.first
  const af = family === 'ipv4' ? AF_INET : AF_INET6
  const peerWords = (peer: number) => Int32Array.from(words(peerText(family, peer)))
  const handler = sockets.registerHandler(() => {})
  const any = new Int32Array(4)
  const start = performance.now()
  let nowUs = 0
  /** What was asked for last. */
  let info = new Map<string, number>()

  const begin = (): void => {
    const us = Math.floor((performance.now() - start) * 1000)
    path.advanceUs(us - nowUs)
    nowUs = us
  }
  const opened = (sk: number): number => {
    if (sk > 0) sockets.attach(sk, handler, 0)
    return sk
  }
  /** What the call leads to has happened when it comes back. */
  const settled = (result: number): number => {
    path.settle()
    return result
  }
  const isStream = (sk: number): boolean => i32[sk + sock.SK_TYPE] === SOCK_STREAM
  /** Datagrams are sent from the arena, and received into it. */
  const inArena = (call: (at: number) => number, len: number, bytes: Uint8Array): number => {
    const skb = skbs.alloc(Math.max(1, len), 0)
    const at = skbs.put(skb, len)
    u8.set(bytes.subarray(0, len), at)
    const result = call(at)
    if (result > 0) bytes.set(u8.subarray(at, at + Math.min(len, result)))
    skbs.free(skb)
    return result
  }

  return {
    name: 'softnet',
    begin,
    receive: (frame) => path.receive(frame, DEV),
    take: () => path.sent.splice(0).map(({ frame }) => frame),
    socket: (type) => opened(sockets.socket(af, type, 0)),
    bind: (sk, port) => sockets.bind(sk, any, 0, port),
    listen: (sk, backlog) => settled(sockets.listen(sk, backlog)),
    accept: (sk) => opened(sockets.accept(sk)),
    connect: (sk, peer) => settled(sockets.connect(sk, peerWords(peer), 0, PEER_PORT)),
    send: (sk, bytes, flags) =>
      settled(
        isStream(sk)
          ? tcp.sendBytes(sk, bytes, 0, bytes.length, flags | MSG_DONTWAIT)
          : inArena((at) => sockets.sendmsg(sk, at, bytes.length, flags), bytes.length, bytes)
      ),
    sendto: (sk, bytes, peer) =>
      settled(
        inArena(
          (at) => sockets.sendto(sk, at, bytes.length, peerWords(peer), 0, PEER_PORT, 0, 0),
          bytes.length,
          bytes
        )
      ),
    recv: (sk, into, flags) =>
      settled(
        isStream(sk)
          ? tcp.recvBytes(sk, into, 0, into.length, flags | MSG_DONTWAIT)
          : inArena((at) => sockets.recvmsg(sk, at, into.length, flags), into.length, into)
      ),
    shutdown: (sk, how) => settled(sockets.shutdown(sk, how)),
    set: (sk, level, name, value) => settled(sockets.setsockopt(sk, level, name, value)),
    get: (sk, level, name) => sockets.getsockopt(sk, level, name),
    closeFile: (sk) => {
      sockets.close(sk)
      return settled(0)
    },
    poll: (sk) => sockets.poll(sk) & POLL_SHOWN,
    // TIME-WAIT is no socket's any more (tcp_time_wait)
    state: (sk) => {
      const state = i32[sk + sock.SK_STATE]!
      return state === sock.TCP_TIME_WAIT ? sock.TCP_CLOSE : state
    },
    info: (sk) => {
      info = tcpInfo(i32, sk, path.first.time)
      return INFO_NAMES.map((name) => info.get(name)! >>> 0)
    },
    pace: () => paceOf(info.get('tcpi_pacing_rate')!, info.get('tcpi_min_rtt')!),
    rto: () => info.get('tcpi_rto')! / 1000,
    close: () => {},
  }
}
