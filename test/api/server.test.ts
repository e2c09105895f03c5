import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Listener } from '../../api/server.ts'
import { listen } from '../../api/server.ts'
import { createSoftnet } from './support/softnet.ts'

const folder = mkdtempSync(join(tmpdir(), 'softnet-server-'))
const open: Listener[] = []

const start = async (addresses: string[], hasToken = false): Promise<Listener[]> => {
  const { app, ready } = createSoftnet({ token: 'secret' })
  await ready
  const listeners = await listen({ app, addresses, hasToken })
  open.push(...listeners)
  return listeners
}

beforeEach(() => mkdirSync(folder, { recursive: true }))

afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.stop()))
  rmSync(folder, { recursive: true, force: true })
})

const socketPath = (): string => join(folder, 'api.sock')

test("a unix socket is the owner's alone, in a folder of its own, and goes with the daemon", async () => {
  const path = socketPath()
  const [listener] = await start([`unix:${path}`])
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const response = await fetch('http://localhost/healthz', { unix: path })
  expect(await response.json()).toEqual({ status: 'ok' })
  await listener!.stop()
  expect(existsSync(path)).toBe(false)
})

test('a living daemon keeps its socket, the file of a dead one is replaced', async () => {
  const path = socketPath()
  await start([`unix:${path}`])
  await expect(start([`unix:${path}`])).rejects.toThrow(
    `cannot listen on unix:${path}: another daemon is there`
  )
  const dead = join(folder, 'dead.sock')
  const { exitCode } = Bun.spawnSync([
    process.execPath,
    '-e',
    `Bun.listen({ unix: ${JSON.stringify(dead)}, socket: { data() {} } }); process.kill(process.pid, 'SIGKILL')`,
  ])
  expect(exitCode).not.toBe(0)
  expect(existsSync(dead)).toBe(true)
  await start([`unix:${dead}`])
  expect((await fetch('http://localhost/healthz', { unix: dead })).status).toBe(200)
})

test('a daemon that ends leaves the socket that another has put in the place of its own', async () => {
  const path = socketPath()
  const [first] = await start([`unix:${path}`])
  rmSync(path)
  await start([`unix:${path}`])
  await first!.stop()
  expect((await fetch('http://localhost/healthz', { unix: path })).status).toBe(200)
})

test('of two that start at the same moment one has the socket, and the other says so', async () => {
  const path = socketPath()
  const started = await Promise.allSettled([1, 2, 3, 4].map(() => start([`unix:${path}`])))
  expect(started.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const one of started)
    if (one.status === 'rejected') expect(one.reason.message).toContain('another daemon is there')
  expect((await fetch('http://localhost/healthz', { unix: path })).status).toBe(200)
  expect(readdirSync(folder)).toEqual(['api.sock'])
})

test('a file that is no socket stays', async () => {
  const path = join(folder, 'precious')
  await start([`unix:${socketPath()}`])
  writeFileSync(path, 'keep')
  await expect(start([`unix:${path}`])).rejects.toThrow('the file exists and is no socket')
  expect(await Bun.file(path).text()).toBe('keep')
})

test('a taken port is one clear line, and nothing is left listening', async () => {
  const [first] = await start(['127.0.0.1:0'])
  const taken = first!.address.replace('http://', '')
  const path = socketPath()
  await expect(start([`unix:${path}`, taken])).rejects.toThrow(
    `cannot listen on ${taken}: the address is in use`
  )
})

test('an address that others reach needs a token', async () => {
  await expect(start(['0.0.0.0:0'])).rejects.toThrow('without a token')
  const [listener] = await start(['0.0.0.0:0'], true)
  const url = `http://127.0.0.1:${new URL(listener!.address).port}/v1/links`
  expect((await fetch(url)).status).toBe(401)
  expect((await fetch(url, { headers: { Authorization: 'Bearer secret' } })).status).toBe(200)
})

test('anybody looks over loopback; a change needs the token or the socket', async () => {
  const path = socketPath()
  const [unix, tcp] = await start([`unix:${path}`, '127.0.0.1:0'])
  expect(unix!.endpoint).toEqual({ kind: 'unix', path })
  const change = (headers: Record<string, string>, init: object = {}) =>
    fetch(`${tcp!.address}/v1/links/veth0`, { method: 'DELETE', headers, ...init })
  expect((await fetch(`${tcp!.address}/v1/links`)).status).toBe(200)
  expect((await change({})).status).toBe(401)
  expect((await change({ Authorization: 'Bearer wrong' })).status).toBe(401)
  expect((await change({}, { unix: path })).status).toBe(200)
  expect((await change({ Authorization: 'Bearer secret' })).status).toBe(404)
})

test('bytes are counted as they come, on every kind of address', async () => {
  const path = socketPath()
  const [, tcp] = await start([`unix:${path}`, '127.0.0.1:0'])
  const CHUNK = new Uint8Array(1 << 20).fill(0x20)
  const send = (megabytes: number, where: object): Promise<Response> => {
    let left = megabytes
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => (left-- > 0 ? controller.enqueue(CHUNK) : controller.close()),
    })
    const headers = { 'Content-Type': 'application/json', Authorization: 'Bearer secret' }
    const init = { method: 'PUT', headers, body, duplex: 'half', ...where }
    return fetch(`${tcp!.address}/v1/links/veth0`, init)
  }
  for (const where of [{}, { unix: path }]) {
    expect((await send(3, where)).status).toBe(200)
    expect((await send(70, where)).status).toBe(413)
  }
})

test('what nobody reads is not kept: the body of a look, and of a change by who may only look', async () => {
  const [tcp] = await start(['127.0.0.1:0'])
  const { hostname, port } = new URL(tcp!.address)
  for (const [line, status] of [
    ['GET /v1/links HTTP/1.1', '200'],
    ['OPTIONS /v1/links HTTP/1.1', '204'],
    ['PUT /v1/config HTTP/1.1', '401'],
  ] as const) {
    // Announced, and never sent.
    const head = `${line}\r\nHost: 127.0.0.1\r\nContent-Length: 70000000\r\n\r\n{`
    const answered = Promise.withResolvers<string>()
    const socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: { data: (_, bytes) => answered.resolve(bytes.toString()) },
    })
    socket.write(head)
    expect([line, (await answered.promise).slice(9, 12)]).toEqual([line, status])
    socket.end()
  }
})

test('headers have a bound', async () => {
  const [tcp] = await start(['127.0.0.1:0'])
  const status = async (path: string, headers: Record<string, string>) =>
    (await fetch(tcp!.address + path, { headers })).status
  expect(await status('/healthz', { X: 'a'.repeat(1 << 20) })).toBe(431)
  expect(await status(`/healthz?${'a'.repeat(1 << 20)}`, {})).toBeOneOf([414, 431])
})

test('there is no TLS to pretend', async () => {
  await expect(start(['https://127.0.0.1:0'])).rejects.toThrow('there is no TLS')
})

test('what is no address is refused', async () => {
  await expect(start(['7777'])).rejects.toThrow('"7777" is no address of an API')
})
