/**
 * Sends UDP in Ethernet frames of one size, one of each flow in turn, as fast as sendmmsg(2) on a packet socket goes, or at
 * a rate. Frames go straight to the device, so that the sender costs as little as it can.
 * A program of its own, run inside a namespace by bench/tap/forward.ts; prints one line of JSON:
 * bun udp-generator.ts IFNAME SOURCE DESTINATION GATEWAY PORT SECONDS RATE FLOWS [BYTES], RATE 0 for no limit, GATEWAY - for
 * none, BYTES 60 unless said.
 */
import { AF_INET } from '../../core/base/family.ts'
import { dlopen } from 'bun:ffi'
import { readFileSync } from 'node:fs'
import { pseudoSum } from '../../core/base/checksum.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import { IPPROTO_UDP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { parseIpv4, parseMac } from '../../core/wire/text.ts'
import * as udp from '../../core/wire/udp.ts'
import { setAffinity } from '../../workers/os/affinity.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import type { Block } from '../../workers/os/libc.ts'
import { block, check, libc, putAddress, threadCpu } from '../../workers/os/libc.ts'
import { withRtnetlink } from '../../workers/os/rtnetlink.ts'

export type Generated = { offered: number; seconds: number; cpuUs: number }

const FIRST_SOURCE_PORT = 20_000
/** At a rate, it sleeps between bursts: what it costs must not depend on what it waits for. */
const PACE_MS = 1

const AF_PACKET = 17
const SOCK_DGRAM = 2
const SOCK_RAW = 3
const SOL_SOCKET = 1
const SO_SNDBUFFORCE = 32
const SOL_PACKET = 263
const PACKET_QDISC_BYPASS = 20
const SNDBUF_BYTES = 8 << 20
const MMSGHDR = 64
const MSGHDR_IOV = 16
const MSGHDR_IOVLEN = 24
const IOVEC = 16

const { sendmmsg } = dlopen('libc.so.6', {
  sendmmsg: { args: ['i32', 'usize', 'u32', 'i32'], returns: 'i32' },
}).symbols

/** The gateway's link address: one datagram to it makes the kernel ask. */
const resolveMac = (gateway: string): string => {
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM, 0), 'socket')
  const to = block(16)
  to.view.setUint16(0, AF_INET, true)
  to.view.setUint16(2, 9)
  to.view.setInt32(4, parseIpv4(gateway)!)
  check(libc.connect(fd, to.at, 16), 'connect')
  libc.send(fd, to.at, 1, 0)
  libc.close(fd)
  for (let tries = 0; tries < 200; tries++) {
    const entry = readFileSync('/proc/net/arp', 'utf8')
      .split('\n')
      .map((line) => line.split(/\s+/))
      .find(([address, , flags]) => address === gateway && flags === '0x2')
    if (entry) return entry[3]!
    libc.poll(0, 0, 10)
  }
  throw new Error(`${gateway} does not answer`)
}

type Path = {
  ifname: string
  source: string
  destination: string
  mac: string
  port: number
  /** Of a frame. */
  bytes: number
}

/** A frame of each flow, flows told apart by their source port. */
const makeFrames = (path: Path, flows: number): Block => {
  const { bytes } = path
  const frames = block(flows * bytes)
  const mem = frames.bytes
  const own = parseMac(withRtnetlink((rtnl) => rtnl.getLink(path.ifname)).mac)!
  const next = parseMac(path.mac)!
  const [source, destination] = [parseIpv4(path.source)!, parseIpv4(path.destination)!]
  const ipLen = bytes - ethernet.ETH_HLEN
  const udpLen = ipLen - ipv4.MIN_HEADER
  for (let flow = 0; flow < flows; flow++) {
    const eth = flow * bytes
    const ip = eth + ethernet.ETH_HLEN
    const at = ip + ipv4.MIN_HEADER
    ethernet.setDst(mem, eth, next.hi, next.lo)
    ethernet.setSrc(mem, eth, own.hi, own.lo)
    ethernet.setType(mem, eth, ethernet.ETH_P_IP)
    ipv4.init(mem, ip, IPPROTO_UDP, source, destination, ipLen, 64)
    ipv4.setChecksum(mem, ip)
    udp.setSrcPort(mem, at, FIRST_SOURCE_PORT + flow)
    udp.setDstPort(mem, at, path.port)
    udp.setLength(mem, at, udpLen)
    udp.setChecksum(mem, at, pseudoSum(mem, ip + ipv4.ADDRS, ipv4.ADDRS_LEN, IPPROTO_UDP, udpLen))
  }
  return frames
}

/** A message for each frame, for sendmmsg(2); `parts` must stay referenced. */
const makeMessages = (frames: Block, flows: number) => {
  const bytes = frames.bytes.length / flows
  const iovs = block(flows * IOVEC)
  const messages = block(flows * MMSGHDR)
  for (let flow = 0; flow < flows; flow++) {
    putAddress(iovs.view, flow * IOVEC, frames.at + flow * bytes)
    putAddress(iovs.view, flow * IOVEC + 8, bytes)
    putAddress(messages.view, flow * MMSGHDR + MSGHDR_IOV, iovs.at + flow * IOVEC)
    putAddress(messages.view, flow * MMSGHDR + MSGHDR_IOVLEN, 1)
  }
  return { at: messages.at, parts: [frames, iovs, messages] }
}

const setInt = (fd: number, level: number, option: number, value: number): void => {
  const argument = block(4)
  argument.view.setInt32(0, value, true)
  libc.setsockopt(fd, level, option, argument.at, 4)
}

/** A packet socket that only sends, past the queueing discipline. */
const openSender = (ifname: string): number => {
  const fd = check(libc.socket(AF_PACKET, SOCK_RAW, 0), 'socket AF_PACKET')
  setInt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1)
  setInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, SNDBUF_BYTES)
  const address = block(20)
  address.view.setUint16(0, AF_PACKET, true)
  address.view.setInt32(4, withRtnetlink((rtnl) => rtnl.getLink(ifname)).ifindex, true)
  check(libc.bind(fd, address.at, 20), 'bind')
  return fd
}

const generate = (
  fd: number,
  at: number,
  flows: number,
  seconds: number,
  rate: number
): Generated => {
  const perUs = rate === 0 ? Infinity : rate / 1e6
  const cpu = threadCpu()
  const start = monotonicUs()
  const end = start + seconds * 1e6
  let offered = 0
  let flow = 0
  let now = start
  while (now < end) {
    if (offered < (now - start) * perUs) {
      const sent = sendmmsg(fd, at + flow * MMSGHDR, flows - flow, 0)
      // A refusal is a packet that the device had no room for: offered, and lost.
      const tried = sent > 0 ? sent : 1
      offered += tried
      flow = (flow + tried) % flows
    } else libc.poll(0, 0, PACE_MS)
    now = monotonicUs()
  }
  const { userUs, systemUs } = threadCpu()
  const cpuUs = userUs + systemUs - cpu.userUs - cpu.systemUs
  return { offered, seconds: (now - start) / 1e6, cpuUs }
}

const main = (argv: string[]): void => {
  const [ifname = '', source = '', destination = '', gateway = '', ...numbers] = argv
  const [port = 0, seconds = 0, rate = 0, flows = 0, bytes = 60] = numbers.map(Number)
  const mac = gateway === '-' ? '02:00:00:00:00:01' : resolveMac(gateway)
  const messages = makeMessages(
    makeFrames({ ifname, source, destination, mac, port, bytes }, flows),
    flows
  )
  const fd = openSender(ifname)
  // The other CPUs are the forwarder's.
  setAffinity([0])
  console.log(JSON.stringify(generate(fd, messages.at, flows, seconds, rate)))
  if (messages.parts.length === 0) throw new Error('the frames are gone')
}

if (import.meta.main) main(process.argv.slice(2))
