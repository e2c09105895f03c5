// Clients of a web server that ask as fast as they are answered. A program for the inside of a namespace:
//   bun http-clients.ts ADDRESS CONNECTIONS REQUESTS BATCH
// REQUESTS in all, BATCH of them on the way on each connection; 0 is a connection for each. Prints how many were answered.

import { connect } from 'node:net'

const [address = '', ...numbers] = process.argv.slice(2)
const [connections = 1, requests = 1, batch = 1] = numbers.map(Number)
const close = batch === 0 ? 'Connection: close\r\n' : ''
const request = `GET / HTTP/1.1\r\nHost: ${address}\r\nUser-Agent: clients\r\n${close}\r\n`
const answersIn = (text: string): number => text.split('HTTP/1.1 200 OK').length - 1
let toAsk = requests
let answered = 0

const take = (most: number): number => {
  const taken = Math.min(toAsk, most)
  toAsk -= taken
  return taken
}
const open = (): void => {
  let waiting = take(Math.max(1, batch))
  if (waiting === 0) return
  const socket = connect(80, address)
  let text = ''
  socket.setEncoding('latin1')
  socket.write(request.repeat(waiting))
  socket.on('data', (part: string) => {
    text += part
    const got = answersIn(text)
    if (got < waiting || batch === 0) return
    answered += got
    text = ''
    waiting = take(batch)
    if (waiting === 0) socket.end()
    else socket.write(request.repeat(waiting))
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    answered += answersIn(text)
    open()
  })
}
for (let n = 0; n < connections; n++) open()
process.on('beforeExit', () => console.log(answered))
