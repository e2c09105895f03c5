// WebSockets by the package ws, which knows nothing of softnet: its client to a server of the kernel's, and its server for
// a client of the kernel's.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import http from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { randomBytes, seeded } from '../../support/random.ts'
import type * as Ws from 'ws'
import { KERNEL, OURS, startBesideKernel, type Stack } from '../support/beside-kernel.ts'
import { describeE2e } from '../support/inside.ts'

// Bun has a ws of its own under that name: this is the package
const { WebSocket, WebSocketServer } = createRequire(import.meta.url)(
  '../../../node_modules/ws/index.js'
) as typeof Ws

const MESSAGES = 500
const big = Buffer.from(randomBytes(seeded(1), 4 << 20))

/** Says everything again. */
const echo = (server: Ws.WebSocketServer): void =>
  void server.on('connection', (ws) =>
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
  )
/** Sends messages of both kinds, short and long, and hears them again in their order; the code it is closed with. */
const tryOut = async (ws: Ws.WebSocket): Promise<number> => {
  const sent = [...Array.from({ length: MESSAGES }, (_, k) => `message ${k}`), big]
  const heard: (string | Buffer)[] = []
  const closed = Promise.withResolvers<number>()
  ws.on('open', () => {
    for (const each of sent) ws.send(each)
  })
  ws.on('message', (data: Buffer, isBinary: boolean) => {
    heard.push(isBinary ? data : String(data))
    if (heard.length === sent.length) ws.close(4000, 'enough')
  })
  ws.on('error', closed.reject)
  ws.on('close', closed.resolve)
  const code = await closed.promise
  expect(heard.slice(0, MESSAGES)).toEqual(sent.slice(0, MESSAGES))
  expect(big.equals(heard[MESSAGES] as Buffer)).toBe(true)
  return code
}

describeE2e(import.meta.path, 'WebSockets by ws', () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startBesideKernel()
  })
  afterAll(() => stack?.close())

  test('a client through softnet', async () => {
    const server = new WebSocketServer({ host: KERNEL, port: 0 })
    echo(server)
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const options = { createConnection: () => stack.net.connect({ port, host: KERNEL }) }
    expect(await tryOut(new WebSocket(`ws://${KERNEL}:${port}/`, options))).toBe(4000)
    server.close()
  })

  test('a server through softnet', async () => {
    const web = http.createServer()
    const server = new WebSocketServer({ server: web })
    echo(server)
    const listener = stack.net.createServer((socket) => void web.emit('connection', socket))
    await new Promise<void>((resolve) => listener.listen(8080, resolve))
    expect(await tryOut(new WebSocket(`ws://${OURS}:8080/`))).toBe(4000)
    server.close()
    await new Promise<void>((resolve) => listener.close(() => resolve()))
  })
})
