/**
 * Sends each datagram back where it came from, with blocking calls. A program of its own: bun udp-echo.ts PORT; ends with its
 * parent.
 */
import { dlopen } from 'bun:ffi'
import { block, check, libc } from '../../workers/os/libc.ts'
import { endWithParent } from '../../workers/os/parent.ts'

const { recvfrom, sendto } = dlopen('libc.so.6', {
  recvfrom: { args: ['i32', 'usize', 'usize', 'i32', 'usize', 'usize'], returns: 'i32' },
  sendto: { args: ['i32', 'usize', 'usize', 'i32', 'usize', 'u32'], returns: 'i32' },
}).symbols

const AF_INET = 2
const SOCK_DGRAM = 2
const BYTES = 2048

endWithParent(process.ppid)
const fd = check(libc.socket(AF_INET, SOCK_DGRAM, 0), 'socket')
const address = block(16)
address.view.setUint16(0, AF_INET, true)
address.view.setUint16(2, Number(process.argv[2]))
check(libc.bind(fd, address.at, 16), 'bind')
const data = block(BYTES)
const length = block(4)
for (;;) {
  length.view.setInt32(0, 16, true)
  const n = recvfrom(fd, data.at, BYTES, 0, address.at, length.at)
  if (n > 0) sendto(fd, data.at, n, 0, address.at, 16)
}
