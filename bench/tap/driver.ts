/**
 * What a packet costs one worker between two TAPs, system calls included: frames are put into the queue of one, and
 * a turn of the worker's own loop reads them, forwards them and writes them to the other, whose kernel drops them. Beside
 * it reads and writes by io_uring alone: what is between the two is softnet's. All in one thread, so that it hardly depends
 * on what else the machine does.
 */
import { DEV_KIND, deviceRow } from '../../core/netdev/netdev.ts'
import type { Arena } from '../../core/shm/arena.ts'
import { counterBank, Mib } from '../../core/shm/counters.ts'
import { LARGE_ROOM } from '../../core/skb/skb.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import * as tcp from '../../core/wire/tcp.ts'
import * as udp from '../../core/wire/udp.ts'
import * as vnet from '../../core/wire/virtio-net-hdr.ts'
import { closeRing, threadRing } from '../../workers/drivers/fd.ts'
import { createQueueReader } from '../../workers/drivers/queues.ts'
import { fillFdRow } from '../../workers/devices/fd-device.ts'
import { DevKind, KINDS } from '../../workers/kinds.ts'
import { block, libc } from '../../workers/os/libc.ts'
import { openPacket } from '../../workers/os/packet.ts'
import { createPollSet } from '../../workers/os/poll.ts'
import { openTap } from '../../workers/os/tap.ts'
import { addressesIn, fullTable4, type TablePrefix } from '../support/full-table.ts'
import { BATCH, makeArena, makeStack, V4 } from '../support/forwarding.ts'

/** What lies in the queue: frames of how many bytes, and how many. */
const FRAMES = {
  udp: { name: '60-byte UDP of 64 flows', bytes: 60, count: 256 },
  table: { name: '60-byte UDP to random addresses of 1,000,000 routes', bytes: 60, count: 256 },
  few: { name: '60-byte UDP, two at a time', bytes: 60, count: 2 },
  tcp: { name: 'TCP segments of 1,460 bytes, one flow', bytes: 1514, count: 256 },
  // as many as a turn finds while one stream goes through (vectors per call of bench/tap/forward.ts)
  super: { name: 'TCP super-frames of 44 segments, one flow', bytes: 54 + 44 * 1460, count: 6 },
} as const
const MSS = 1460
const ROUTES = 1_000_000
const ADDRESSES = 1 << 18
const ROUNDS = 1000
const WARM_UP = 3000

export type Frames = keyof typeof FRAMES
export const nameOf = (frames: Frames): string => FRAMES[frames].name

/** Frames of a kind, each behind the header that a packet socket wants in front. */
const makeBatch = (kind: Frames, prefixes: readonly TablePrefix[]) => {
  const { bytes: len, count } = FRAMES[kind]
  const isUdp = kind !== 'tcp' && kind !== 'super'
  const batch = Math.min(BATCH, count)
  const stride = vnet.HEADER + len
  const { bytes: mem, at: address } = block(batch * stride)
  const l4 = ethernet.ETH_HLEN + ipv4.MIN_HEADER
  for (let k = 0; k < batch; k++) {
    const at = k * stride + vnet.HEADER
    const host = isUdp ? k : 0
    ethernet.putMac(mem, at, 0x0200, 1)
    ethernet.putMac(mem, at + 6, 0x0201, host)
    ethernet.setType(mem, at, ethernet.ETH_P_IP)
    const [source, destination] = [V4.address(1, 256 + host)[3], V4.address(2, 10 + (host & 7))[3]]
    const ip = at + ethernet.ETH_HLEN
    const protocol = isUdp ? IPPROTO_UDP : IPPROTO_TCP
    ipv4.init(mem, ip, protocol, source, destination, len - ethernet.ETH_HLEN, 64)
    udp.setSrcPort(mem, at + l4, 1024 + host)
    udp.setDstPort(mem, at + l4, 9)
    if (isUdp) udp.setLength(mem, at + l4, len - l4)
    else {
      tcp.setHeaderLenFlags(mem, at + l4, tcp.MIN_HEADER, tcp.TCP_ACK)
      vnet.setFlags(mem, at - vnet.HEADER, vnet.VIRTIO_NET_HDR_F_NEEDS_CSUM)
      vnet.setCsum(mem, at - vnet.HEADER, l4, tcp.CHECKSUM)
      if (kind === 'super')
        vnet.setGso(mem, at - vnet.HEADER, vnet.VIRTIO_NET_HDR_GSO_TCPV4, MSS, l4 + tcp.MIN_HEADER)
    }
    ipv4.setChecksum(mem, ip)
  }
  const payload = len - l4 - tcp.MIN_HEADER
  const addresses = addressesIn(prefixes, prefixes.length === 0 ? 0 : ADDRESSES)
  let next = 0
  /** Puts them into the queue of the TAP behind `fd`; a TCP flow goes on, and of a table each goes elsewhere. */
  const send = (fd: number): void => {
    for (let sent = 0; sent < count; sent++) {
      const k = sent % batch
      const ip = k * stride + vnet.HEADER + ethernet.ETH_HLEN
      if (kind === 'table') {
        ipv4.setDst(mem, ip, addresses[(next++ % ADDRESSES) * 4 + 3]!)
        ipv4.setChecksum(mem, ip)
      }
      if (!isUdp) {
        ipv4.setId(mem, ip, next & 0xffff)
        ipv4.setChecksum(mem, ip)
        tcp.setSeq(mem, ip + ipv4.MIN_HEADER, Math.imul(next++, payload))
      }
      if (libc.write(fd, address + k * stride, stride) !== stride) throw new Error('not sent')
    }
  }
  return { send, stride, batch, count }
}

const openTaps = (arena: Arena) => {
  const taps = [1, 2].map((ifindex) => {
    const { fd, offload, name } = openTap({ name: `bench${ifindex}`, link: { up: true } })
    fillFdRow(arena, ifindex, [fd], { isSocket: false, offload })
    arena.i32[deviceRow(arena, ifindex) + DEV_KIND] = DevKind.tap
    return { fd, name }
  })
  return { read: taps[0]!, written: taps[1]! }
}

/** A short time of many: what disturbs one turn does not disturb all. */
const lowOf = (times: Float64Array, packets: number): number =>
  (times.toSorted()[times.length >> 4]! * 1e6) / packets

/** Nanoseconds a packet of `turn`, which follows on the batches that were sent. */
const time = (packets: number, send: () => void, turn: () => void, rounds: number): number => {
  const times = new Float64Array(rounds)
  for (let k = 0; k < rounds; k++) {
    send()
    const start = performance.now()
    turn()
    times[k] = performance.now() - start
  }
  return lowOf(times, packets)
}

/** Nanoseconds a packet: of a turn, and of its reads and writes by themselves. */
export type DriverResult = { frames: Frames; turnNs: number; readNs: number; writeNs: number }

const measure = (frames: Frames): DriverResult => {
  const arena = makeArena()
  const { f64 } = arena
  const { read, written } = openTaps(arena)
  const prefixes = frames === 'table' ? fullTable4(ROUTES) : []
  const stack = makeStack(arena, V4, KINDS, prefixes)
  const queues = createQueueReader(arena, 0, { ...stack, polls: createPollSet(8) })
  queues.refresh()
  const socket = openPacket({ ifname: read.name }).fd
  const { send, stride, batch, count } = makeBatch(frames, prefixes)
  const fill = (): void => send(socket)
  const forwarded = (): number => f64[counterBank(arena, 0) + Mib.IpForwDatagrams]!
  const turn = (): void => {
    const before = forwarded()
    while (stack.poll() !== 0);
    if (forwarded() === before) throw new Error('nothing was forwarded')
  }
  time(count, fill, turn, WARM_UP)
  const turnNs = time(count, fill, turn, ROUNDS)

  const ring = threadRing(arena)
  if (ring === null) throw new Error('the kernel gives no io_uring')
  const { skbs } = stack
  const buffers = Int32Array.from({ length: batch }, () => skbs.headOf(skbs.arm()))
  const each = (call: (at: number) => void) => (): void => {
    for (let k = 0; k < count; k += batch) {
      for (const at of buffers) call(at)
      ring.submit()
    }
  }
  const readAll = each((at) => ring.read(read.fd, at, LARGE_ROOM))
  const writeAll = each((at) => ring.write(written.fd, at, stride))
  const nothing = (): void => {}
  time(count, fill, readAll, ROUNDS)
  const readNs = time(count, fill, readAll, ROUNDS)
  time(count, nothing, writeAll, ROUNDS)
  const writeNs = time(count, nothing, writeAll, ROUNDS)
  // else the TAPs' names would be taken for a while yet
  closeRing()
  return { frames, turnNs, readNs, writeNs }
}

/** Prints and returns what a packet costs; each kind of frames in a process of its own, inside a namespace. */
export const runDriver = (): DriverResult[] => {
  console.log('\none worker between two TAPs, by itself: ns/packet')
  return (Object.keys(FRAMES) as Frames[]).map((frames) => {
    const { stdout, stderr, success } = Bun.spawnSync([process.execPath, import.meta.path, frames])
    if (!success) throw new Error(`forwarding between TAPs was not measured: ${stderr}`)
    const result = JSON.parse(`${stdout}`) as DriverResult
    const [turn, read, write] = [result.turnNs, result.readNs, result.writeNs].map(Math.round)
    console.log(`  ${nameOf(frames).padEnd(42)} ${turn}; a read alone ${read}, a write ${write}`)
    return result
  })
}

if (import.meta.main) console.log(JSON.stringify(measure(process.argv[2] as Frames)))
