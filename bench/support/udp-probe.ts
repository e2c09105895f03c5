/**
 * Sends small datagrams to an echo at a rate and times the answers: open loop, each timed from when it was to be sent, so that
 * a stall counts for all that it held up. A program of its own; prints one line of JSON:
 * bun udp-probe.ts ADDRESS PORT SECONDS RATE
 */
import { dlopen } from 'bun:ffi'
import { parseIpv4 } from '../../core/wire/text.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { block, check, libc } from '../../workers/os/libc.ts'

export type Probed = {
  sent: number
  answered: number
  /** Microseconds. */
  p50: number
  p90: number
  p99: number
  p999: number
  most: number
}

const AF_INET = 2
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0x800
const BYTES = 32
/** For what is still on its way at the end. */
const PATIENCE_US = 20_000
/** Answers taken before the clock is looked at again: what is due must not wait. */
const TAKEN = 16

const { send, recv } = dlopen('libc.so.6', {
  send: { args: ['i32', 'usize', 'usize', 'i32'], returns: 'i32' },
  recv: { args: ['i32', 'usize', 'usize', 'i32'], returns: 'i32' },
}).symbols

const open = (address: string, port: number): number => {
  const fd = check(libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), 'socket')
  const to = block(16)
  to.view.setUint16(0, AF_INET, true)
  to.view.setUint16(2, port)
  to.view.setInt32(4, parseIpv4(address)!)
  check(libc.connect(fd, to.at, 16), 'connect')
  return fd
}

const probe = (fd: number, seconds: number, rate: number): Probed => {
  const { view, at } = block(BYTES)
  const count = Math.floor(seconds * rate)
  const tookUs = new Float64Array(count)
  const perUs = rate / 1e6
  let answered = 0
  let sent = 0
  const start = monotonicUs()
  const end = start + seconds * 1e6 + PATIENCE_US
  for (let now = start; now < end && answered < count; now = monotonicUs()) {
    const due = Math.min(count, Math.floor((now - start) * perUs))
    while (sent < due) {
      view.setUint32(0, sent++, true)
      send(fd, at, BYTES, 0)
    }
    for (let k = 0; k < TAKEN && recv(fd, at, BYTES, 0) > 0; k++)
      tookUs[answered++] = monotonicUs() - start - view.getUint32(0, true) / perUs
  }
  const times = tookUs.subarray(0, answered).sort()
  const part = (share: number): number =>
    times[Math.min(answered - 1, Math.floor(answered * share))] ?? Number.NaN
  const [p50, p90, p99, p999, most] = [part(0.5), part(0.9), part(0.99), part(0.999), part(1)]
  return { sent, answered, p50, p90, p99, p999, most }
}

if (import.meta.main) {
  const [address = '', ...numbers] = process.argv.slice(2)
  const [port = 0, seconds = 0, rate = 0] = numbers.map(Number)
  const fd = open(address, port)
  // compiled, and the way known
  probe(fd, 0.1, Math.min(rate, 20_000))
  console.log(JSON.stringify(probe(fd, seconds, rate)))
}
