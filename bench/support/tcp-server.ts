/**
 * What softnet's services do, over the kernel's TCP: the reference. A program of its own, run in a namespace:
 * bun tcp-server.ts discard|chargen|echo PORT; ends with its parent. discard and chargen serve one connection at a
 * time with blocking calls, which is the least that a program can cost.
 */
import { block, check, libc } from '../../workers/os/libc.ts'
import { endWithParent } from '../../workers/os/parent.ts'
import { setCongestionControl } from './congestion.ts'
import { accept, listen } from './listen.ts'

const AF_INET = 2
const SOCK_STREAM = 1
const MSG_NOSIGNAL = 0x4000
const CHUNK = 256 * 1024

const bound = (port: number): number => {
  const fd = check(libc.socket(AF_INET, SOCK_STREAM, 0), 'socket')
  setCongestionControl(fd)
  const any = block(16)
  any.view.setUint16(0, AF_INET, true)
  any.view.setUint16(2, port)
  check(libc.bind(fd, any.at, 16), 'bind')
  check(listen(fd, 128), 'listen')
  return fd
}
const serve = (fd: number, once: (socket: number) => number): void => {
  for (;;) {
    const socket = check(accept(fd, 0, 0), 'accept')
    while (once(socket) > 0) {
      // again
    }
    libc.close(socket)
  }
}
const echo = (port: number): void => {
  Bun.listen({
    hostname: '0.0.0.0',
    port,
    socket: {
      data: (socket, data) => {
        socket.write(data)
      },
    },
  })
}

const [mode = '', port = 0] = ((argv) => [argv[0], Number(argv[1])] as const)(process.argv.slice(2))
const buffer = block(CHUNK)
endWithParent(process.ppid)
if (mode === 'echo') echo(port)
else if (mode === 'discard') serve(bound(port), (socket) => libc.recv(socket, buffer.at, CHUNK, 0))
else serve(bound(port), (socket) => libc.send(socket, buffer.at, CHUNK, MSG_NOSIGNAL))
