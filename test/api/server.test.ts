import { afterEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Listener } from '../../api/server.ts'
import { listen } from '../../api/server.ts'
import { createSoftnet } from './support/softnet.ts'

const folder = mkdtempSync(join(tmpdir(), 'softnet-server-'))
const open: Listener[] = []

const start = async (addresses: string[], hasToken = false): Promise<Listener[]> => {
  const { app } = createSoftnet({ token: 'secret' })
  const listeners = await listen({ app, addresses, hasToken })
  open.push(...listeners)
  return listeners
}

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

test('what is no address is refused', async () => {
  await expect(start(['7777'])).rejects.toThrow('"7777" is no address of an API')
})
