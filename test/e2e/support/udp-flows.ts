// Numbered UDP datagrams of many flows, and the count of what became of them. A program for the inside of a namespace:
//   bun udp-flows.ts send ADDRESS PORT FIRST_SOURCE_PORT FLOWS PACKETS RATE   PACKETS of each flow, RATE a second in all
//   bun udp-flows.ts receive PORT EXPECTED                                    until all are there, or none for 2 s
// The receiver prints one line of JSON. A datagram is the flow's number and its number within the flow.

import { monotonicUs } from '../../../workers/os/clock.ts'
import { ipBytes } from '../../../workers/os/address.ts'
import { block, check, libc } from '../../../workers/os/libc.ts'

export type Received = { received: number; reordered: number; duplicates: number; flows: number }

const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
const SO_RCVTIMEO = 20
const PAYLOAD = 64

const socketAddress = (address: string, port: number) => {
  const result = block(16)
  result.view.setUint16(0, 2, true)
  result.view.setUint16(2, port)
  result.bytes.set(ipBytes(address), 4)
  return result
}

const openFlow = (address: string, port: number, sourcePort: number): number => {
  const fd = check(libc.socket(2, 2, 0), 'socket')
  check(libc.bind(fd, socketAddress('0.0.0.0', sourcePort).at, 16), `bind ${sourcePort}`)
  check(libc.connect(fd, socketAddress(address, port).at, 16), 'connect')
  return fd
}

const send = (address: string, numbers: number[]): void => {
  const [port = 0, firstPort = 0, flows = 0, packets = 0, rate = 0] = numbers
  const fds = Array.from({ length: flows }, (_, k) => openFlow(address, port, firstPort + k))
  const payload = block(PAYLOAD)
  const start = monotonicUs()
  for (let sent = 0; sent < flows * packets; ) {
    if (sent > ((monotonicUs() - start) * rate) / 1e6) {
      libc.poll(0, 0, 1)
      continue
    }
    payload.view.setUint32(0, sent % flows)
    payload.view.setUint32(4, Math.floor(sent / flows))
    libc.send(fds[sent % flows]!, payload.at, PAYLOAD, 0)
    sent++
  }
}

const receive = (port: number, expected: number): Received => {
  const fd = check(libc.socket(2, 2, 0), 'socket')
  const size = block(4)
  size.view.setInt32(0, 8 << 20, true)
  if (libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size.at, 4) < 0)
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size.at, 4)
  check(libc.bind(fd, socketAddress('0.0.0.0', port).at, 16), 'bind')
  const timeout = block(16)
  const payload = block(2048)
  const seen = new Map<number, Set<number>>()
  const next = new Map<number, number>()
  const result: Received = { received: 0, reordered: 0, duplicates: 0, flows: 0 }
  // The sender takes its time to start; once it has, a silence is the end.
  for (let silence = 20; result.received - result.duplicates < expected; silence = 2) {
    timeout.view.setUint32(0, silence, true)
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout.at, 16)
    if (libc.recv(fd, payload.at, 2048, 0) < 0) break
    const flow = payload.view.getUint32(0)
    const number = payload.view.getUint32(4)
    const numbers = seen.get(flow) ?? new Set()
    seen.set(flow, numbers)
    result.received++
    if (numbers.has(number)) result.duplicates++
    else if (number < (next.get(flow) ?? 0)) result.reordered++
    numbers.add(number)
    next.set(flow, Math.max(next.get(flow) ?? 0, number + 1))
  }
  result.flows = seen.size
  return result
}

if (import.meta.main) {
  const [verb, first = '', ...rest] = process.argv.slice(2)
  if (verb === 'send') send(first, rest.map(Number))
  else console.log(JSON.stringify(receive(Number(first), Number(rest[0]))))
}
