import { describe, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../../api/cli/daemon-args.ts'
import { saveConfig } from '../../../api/config-file.ts'
import { stackPart } from '../../../api/schemas/config.ts'
import { createSoftnet } from '../support/softnet.ts'

const inFolder = async (fn: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'softnet-config-'))
  try {
    await fn(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('/v1/config', () => {
  test('as TOML is a file that leads to the same state: there is nothing left to do', () =>
    inFolder(async (folder) => {
      const { request, send } = createSoftnet()
      await send('PUT', '/v1/links/veth0/rss', { weight: [1, 3] })
      await send('PUT', '/v1/tables/main/routes/10.77.0.0/16', {
        dev: 'veth0',
        metrics: [{ mtu: 1300 }],
      })
      const response = await request('/v1/config?format=toml')
      expect(response.headers.get('Content-Type')).toBe('application/toml')
      const text = await response.text()
      expect(text).toContain('name = "veth0"')
      const file = join(folder, 'softnet.toml')
      writeFileSync(file, text)
      const { body } = await send('PUT', '/v1/config?dry_run=1', stackPart(readConfig(file)))
      expect(body.item).toEqual([])
    }))
  test('is saved into the file it came from, which keeps what is not the state, its mode, and no crumbs', () =>
    inFolder(async (folder) => {
      const file = join(folder, 'softnet.toml')
      writeFileSync(file, 'workers = 3\n[api]\ntoken = "t"\n[sysctl]\n"net.ipv4.ip_forward" = 1\n')
      chmodSync(file, 0o600)
      const { send } = createSoftnet({
        saveConfig: (state) => {
          saveConfig(file, state)
          return file
        },
      })
      await send('PUT', '/v1/tables/main/routes/10.77.0.0/16', { dev: 'veth0' })
      expect((await send('POST', '/v1/config:save')).body.file).toBe(file)
      const { workers, api, route } = readConfig(file)
      expect([workers, api?.token]).toEqual([3, 't'])
      expect(route).toContainEqual(expect.objectContaining({ dst: '10.77.0.0/16' }))
      expect([statSync(file).mode & 0o777, readdirSync(folder)]).toEqual([0o600, ['softnet.toml']])
      expect(readFileSync(file, 'utf8').endsWith('\n')).toBe(true)
    }))
  test('has no file where the daemon had none', async () => {
    const { body, status } = await createSoftnet().send('POST', '/v1/config:save')
    expect([status, body.detail]).toEqual([422, 'Error: there is no file to save to (-c).'])
  })
})

describe('a change that is to be confirmed', () => {
  const routes = [{ dst: '10.66.0.0/16', dev: 'veth0' }]
  const isThere = async ({ request }: ReturnType<typeof createSoftnet>): Promise<boolean> =>
    (await request('/v1/tables/main/routes/10.66.0.0/16')).status === 200

  test('is taken back when nobody does; what others have changed meanwhile stays', async () => {
    const softnet = createSoftnet()
    const { json, send, request } = softnet
    const before = (await json('/v1/config')).body
    expect(before.route.length).toBeGreaterThan(0)
    const config = { route: routes, sysctl: { 'net.ipv4.ip_forward': 0 } }
    await send('PUT', '/v1/config?confirm_within=1s', config)
    expect(await isThere(softnet)).toBe(true)
    const other = await send('PUT', '/v1/config?confirm_within=1', { route: [] })
    expect(other.status).toBe(409)
    const theirs = '/v1/tables/main/routes/10.67.0.0/16'
    await send('PUT', theirs, { dev: 'veth0' })
    await send('PUT', '/v1/sysctl/net.ipv4.ip_default_ttl', { value: 33 })
    while (await isThere(softnet)) await Bun.sleep(20)
    expect((await send('POST', '/v1/config:confirm')).status).toBe(404)
    expect((await request(theirs)).status).toBe(200)
    await send('DELETE', theirs)
    const after = (await json('/v1/config')).body
    expect(after.route).toEqual(before.route)
    expect(after.sysctl).toEqual({ ...before.sysctl, 'net.ipv4.ip_default_ttl': 33 })
  })
  test('stays when somebody does', async () => {
    const softnet = createSoftnet()
    await softnet.send('PUT', '/v1/config?confirm_within=1', { route: routes })
    expect((await softnet.send('POST', '/v1/config:confirm')).status).toBe(200)
    await Bun.sleep(1100)
    expect(await isThere(softnet)).toBe(true)
  })
  test('that is refused leaves nothing to confirm', async () => {
    const softnet = createSoftnet()
    const bad = { route: [{ dst: '10.66.0.0/16', gateway: '9.9.9.9' }] }
    expect((await softnet.send('PUT', '/v1/config?confirm_within=9', bad)).status).toBe(422)
    expect((await softnet.send('POST', '/v1/config:confirm')).status).toBe(404)
  })
})
