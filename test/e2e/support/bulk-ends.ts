// Ends of bulk transfers, for the inside of a namespace. Servers, of which one says again what it gets (port 7), one discards it
// (port 9) and one says something for as long as it is heard (port 19): `bun bulk-ends.ts kernel` over the kernel's sockets,
// `... softnet` those of a stack beside the kernel on the same device. A client: `... send|take|echo ADDRESS BYTES` prints how many
// milliseconds it took.

import { connect, createServer, type Socket } from 'node:net'
import { startStack } from '../../../workers/library/stack.ts'

/** The stack's address, and the way back. */
export const SOFTNET_B = '10.0.2.2'
const GATEWAY = '10.0.2.254'
const ECHO = 7
const DISCARD = 9
const CHARGEN = 19
const CHUNK = Buffer.alloc(65536, 'softnet')

/** Writes the chunk again and again, as long as `isWanted`. */
const pour = (socket: Socket, isWanted: () => boolean): void => {
  const write = (): void => {
    while (isWanted()) if (!socket.write(CHUNK)) return
  }
  socket.on('drain', write)
  write()
}
const kernelServers = (): void => {
  createServer((socket) => void socket.on('error', () => undefined).pipe(socket)).listen(ECHO)
  createServer((socket) => void socket.on('error', () => undefined).resume()).listen(DISCARD)
  createServer((socket) => {
    socket.on('error', () => undefined)
    pour(socket, () => !socket.destroyed)
  }).listen(CHARGEN)
}
const softnetServers = async (): Promise<void> => {
  const stack = await startStack({
    link: [{ ifname: 'eth0', kind: 'packet', addresses: [`${SOFTNET_B}/24`] }],
    route: [{ dst: 'default', gateway: GATEWAY }],
    services: { echo: true, discard: true, chargen: true },
  })
  process.on('SIGTERM', () => void stack.close().then(() => process.exit()))
}
/** Until the peer has taken all and closed. */
const send = (port: number, address: string, bytes: number): void => {
  const beganMs = performance.now()
  const socket = connect(port, address, () => {
    let left = bytes
    pour(socket, () => {
      if (left <= 0) socket.end()
      left -= CHUNK.length
      return left > -CHUNK.length
    })
  })
  socket.resume().on('close', () => console.log(performance.now() - beganMs))
}
const take = (address: string, bytes: number): void => {
  const beganMs = performance.now()
  let left = bytes
  const socket = connect(CHARGEN, address)
  socket.on('data', ({ length }) => {
    left -= length
    if (left > 0) return
    console.log(performance.now() - beganMs)
    process.exit()
  })
}

if (import.meta.main) {
  const [what, address = '', bytes = '0'] = process.argv.slice(2)
  if (what === 'kernel') kernelServers()
  if (what === 'softnet') await softnetServers()
  if (what === 'send') send(DISCARD, address, Number(bytes))
  if (what === 'echo') send(ECHO, address, Number(bytes))
  if (what === 'take') take(address, Number(bytes))
}
