/**
 * Holds a UDP port and reads nothing: what arrives is counted by the kernel (InDatagrams and RcvbufErrors of
 * /proc/net/snmp) and costs the same whatever brought it. Without it each datagram would cost an ICMP error.
 * A program of its own: bun udp-sink.ts PORT; ends with its standard input.
 */
import { readFileSync } from 'node:fs'
import { block, check, libc } from '../../workers/os/libc.ts'

const SOL_SOCKET = 1
const SO_RCVBUF = 8

if (import.meta.main) {
  const fd = check(libc.socket(2, 2, 0), 'socket')
  const smallest = block(4)
  smallest.view.setInt32(0, 1, true)
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, smallest.at, 4)
  const any = block(16)
  any.view.setUint16(0, 2, true)
  any.view.setUint16(2, Number(process.argv[2]))
  check(libc.bind(fd, any.at, 16), 'bind')
  for await (const _ of Bun.stdin.stream()) {
    // only its end matters
  }
}

/** Datagrams that have reached a UDP port of the namespace of process `pid`, read or not. */
export const udpArrived = (pid: number): number => {
  const lines = readFileSync(`/proc/${pid}/net/snmp`, 'utf8').split('\n')
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '))
  const value = (name: string): number => Number(values[names.indexOf(name)])
  return value('InDatagrams') + value('InErrors')
}
