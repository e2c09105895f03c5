// Tells the service manager how a daemon is: ready, reading its configuration anew, ending. A datagram to the socket that
// the environment names, and nothing where it names none. Main thread; cold. sd_notify(3).

import { block, check, libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0x80002
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
/** sockaddr_un: the family, and a path of at most 108 octets. */
const FAMILY = 2
const MAX_PATH = 108

/** `state` is lines of sd_notify's, as "READY=1". A manager that is gone, or is told too much at once, is none. */
export const notifyManager = (state: string, socketPath: string | undefined): void => {
  if (socketPath === undefined || socketPath === '') return
  // an abstract name begins with a zero octet, which is written as @
  const path = Buffer.from(socketPath.replace(/^@/, '\0'))
  if (path.length > MAX_PATH) return
  const fd = check(libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), 'socket AF_UNIX')
  try {
    const address = block(FAMILY + path.length)
    address.view.setUint16(0, AF_UNIX, true)
    address.bytes.set(path, FAMILY)
    if (libc.connect(fd, address.at, address.bytes.length) < 0) return
    const text = new TextEncoder().encode(state)
    const body = block(text.length)
    body.bytes.set(text)
    libc.send(fd, body.at, text.length, MSG_NOSIGNAL | MSG_DONTWAIT)
  } finally {
    libc.close(fd)
  }
}
