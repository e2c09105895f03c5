// Clients that keep connections to a host's services busy until SIGTERM. A program for the inside of a
// namespace:
//   bun busy-clients.ts ADDRESS CONNECTIONS PORT...
// A connection that ends is made anew. Prints one line of JSON: connections made, those that were reset, bytes heard.

import { connect } from 'node:net'

export type Busy = { made: number; ended: number; bytes: number }

const [address = '', connections = '0', ...ports] = process.argv.slice(2)
const busy: Busy = { made: 0, ended: 0, bytes: 0 }
const EVERY_MS = 20
const AGAIN_MS = 30
let isOver = false

const open = (port: number): void => {
  if (isOver) return
  const socket = connect(port, address)
  const request = port === 80 ? 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' : 'x'.repeat(700)
  let ticking: Timer | undefined
  socket.on('connect', () => {
    busy.made++
    ticking = setInterval(() => {
      if (isOver) socket.destroy()
      else if (port !== 19) socket.write(request)
    }, EVERY_MS)
  })
  socket.on('data', (data) => {
    busy.bytes += data.length
    // chargen would take all there is
    if (port === 19 && !isOver) {
      socket.pause()
      setTimeout(() => socket.resume(), EVERY_MS)
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    clearInterval(ticking)
    busy.ended++
    if (!isOver) setTimeout(() => open(port), AGAIN_MS)
  })
}
for (let n = 0; n < Number(connections); n++) open(Number(ports[n % ports.length]))
// those that are open see it and close within a tick
process.on('SIGTERM', () => {
  isOver = true
  setTimeout(() => {
    console.log(JSON.stringify(busy))
    process.exit(0)
  }, 500)
})
