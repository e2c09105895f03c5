// A program for the inside of a namespace: sends one datagram to ADDRESS PORT and exits with 0 when
// the same bytes come back, else with the errno (111: the port was refused, 11: no answer).

import { ipBytes } from '../../../../workers/os/address.ts'
import { block, cstring, errno, libc } from '../../../../workers/os/libc.ts'

const [address = '', port = '', size = '32'] = process.argv.slice(2)
const socket = libc.socket(2, 2, 0)
const timeout = block(16)
timeout.view.setUint32(0, 5, true)
libc.setsockopt(socket, 1, 20, timeout.at, 16)
const to = block(16)
to.view.setUint16(0, 2, true)
to.view.setUint16(2, Number(port))
to.bytes.set(ipBytes(address), 4)
if (libc.connect(socket, to.at, 16) < 0) process.exit(errno())
const sent = cstring('softnet '.repeat(Number(size) / 8))
const length = sent.bytes.length - 1
libc.send(socket, sent.at, length, 0)
const received = block(65536)
const count = libc.recv(socket, received.at, received.bytes.length, 0)
if (count < 0) process.exit(errno())
const same = Buffer.compare(received.bytes.subarray(0, count), sent.bytes.subarray(0, length)) === 0
process.exit(same ? 0 : 1)
