// HTTP over softnet by packages that do not know it: node:http and undici as clients of a server of the kernel's, node:http
// as the server of curl.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { buffer, text } from 'node:stream/consumers'
import type { Client as UndiciClient } from 'undici'
import { randomBytes, seeded } from '../../support/random.ts'
import { KERNEL, OURS, run, startBesideKernel, type Stack } from '../support/beside-kernel.ts'
import { describeE2e } from '../support/inside.ts'

// Bun has an undici of its own under that name: this is the package
const { Client } = createRequire(import.meta.url)('../../../node_modules/undici/index.js') as {
  Client: typeof UndiciClient
}

/** What undici is told of a connection. */
type Connected = (...result: [null, Socket] | [Error, null]) => void

const BIG = 8 << 20
const big = Buffer.from(randomBytes(seeded(1), BIG))
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Answers with the body's hash, or with much. */
const handler: http.RequestListener = (request, response) => {
  if (request.url === '/big') return void response.end(big)
  void buffer(request).then((body) =>
    response.end(JSON.stringify({ method: request.method, url: request.url, sha: sha(body) }))
  )
}

describeE2e(import.meta.path, 'HTTP by npm packages', () => {
  let stack: Stack
  let server: http.Server
  let port = 0
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/softnet-http-`)
    stack = await startBesideKernel()
    server = http.createServer(handler)
    await new Promise<void>((resolve) => server.listen(0, KERNEL, resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(async () => {
    server?.close()
    await stack?.close()
    rmSync(folder, { recursive: true })
  })

  describe('a client of node:http', () => {
    /** Connections of an agent that go through softnet. */
    class SoftAgent extends http.Agent {
      made = 0
      override createConnection(options: RequestOptions) {
        this.made++
        return stack.net.connect({ port: Number(options.port), host: options.host! })
      }
    }
    const request = (options: RequestOptions, body?: Uint8Array): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const asked = http.request({ host: KERNEL, port, ...options }, resolve)
        asked.on('error', reject)
        asked.end(body)
      })

    test('uploads and downloads over one connection that is kept', async () => {
      const agent = new SoftAgent({ keepAlive: true, maxSockets: 1 })
      for (let k = 0; k < 3; k++) {
        const up = await request({ agent, method: 'POST', path: `/up${k}` }, big)
        expect(await text(up)).toBe(
          JSON.stringify({ method: 'POST', url: `/up${k}`, sha: sha(big) })
        )
        const down = await request({ agent, path: '/big' })
        expect(sha(await buffer(down))).toBe(sha(big))
      }
      expect(agent.made).toBe(1)
      agent.destroy()
    })
    test('is told that nobody listens', async () => {
      const agent = new SoftAgent()
      const failed = request({ agent, port: 1 })
      await expect(failed).rejects.toMatchObject({
        code: 'ECONNREFUSED',
        syscall: 'connect',
        address: KERNEL,
        port: 1,
      })
    })
  })

  describe('undici', () => {
    /** What undici opens connections by. */
    const connect = (options: { hostname: string; port: string }, done: Connected): void => {
      const socket = stack.net.connect({ port: Number(options.port), host: options.hostname })
      socket.once('connect', () => done(null, socket))
      socket.once('error', (error) => done(error, null))
    }
    const client = (): UndiciClient =>
      new Client(`http://${KERNEL}:${port}`, { connect, pipelining: 8 })

    test('has many requests under way on one connection', async () => {
      const undici = client()
      const asked = Array.from({ length: 200 }, async (_, k) => {
        const { statusCode, body } = await undici.request({ path: `/${k}`, method: 'GET' })
        expect(statusCode).toBe(200)
        expect(await body.json()).toEqual({
          method: 'GET',
          url: `/${k}`,
          sha: sha(new Uint8Array()),
        })
      })
      await Promise.all(asked)
      await undici.close()
    })
    test('gives up a body in the middle, and goes on', async () => {
      const undici = client()
      const { body } = await undici.request({ path: '/big', method: 'GET' })
      body.on('error', () => {})
      body.destroy()
      const again = await undici.request({ path: '/big', method: 'GET' })
      expect(sha(new Uint8Array(await again.body.arrayBuffer()))).toBe(sha(big))
      await undici.close()
    })
  })

  test('a server of node:http answers curl', async () => {
    const web = http.createServer(handler)
    const listener = stack.net.createServer((socket) => void web.emit('connection', socket))
    await new Promise<void>((resolve) => listener.listen(80, resolve))
    const downloaded = `${folder}/down`
    const down = ['-o', downloaded, `http://${OURS}/big`]
    await run('curl', '-sSf', ...down)
    expect(sha(await Bun.file(downloaded).bytes())).toBe(sha(big))
    const up = await run('curl', '-sSf', '-T', downloaded, `http://${OURS}/up`)
    expect(JSON.parse(up)).toEqual({ method: 'PUT', url: '/up', sha: sha(big) })
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
    web.closeAllConnections()
    await closed
  })
})
