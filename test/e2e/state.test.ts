// `--state`: what was answered is there again, however the daemon ended; what was not answered is there whole or not at all.

import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { seeded } from '../support/random.ts'
import { type Daemon, failDaemon, startDaemon } from './support/daemon.ts'
import { describeE2e, isLong } from './support/inside.ts'

const ROUNDS = isLong ? 200 : 8
const MOST_CHANGES = 60

type Change = { method: string; path: string; body?: unknown }
/** What the changes of this test are about, by name. */
type Seen = Record<string, unknown>

describeE2e(import.meta.path, 'a state folder', () => {
  const folders: string[] = []
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'softnet-state-'))
    folders.push(made)
    return made
  }
  afterAll(() => {
    for (const one of folders) rmSync(one, { recursive: true, force: true })
  })
  const start = (dir: string, args: string[] = []): Promise<Daemon> =>
    startDaemon({ args: ['--state', dir, ...args], workers: 1 })

  const look = async (daemon: Daemon): Promise<Seen> => {
    const config = await daemon.must<StackConfig>('GET', '/v1/config')
    const { link = [], route = [], rule = [], sysctl = {} } = config
    const seen: Seen = {}
    for (const { ifname, address, mtu, addresses, rss } of link)
      seen[`link ${ifname}`] = [
        address,
        mtu,
        addresses,
        rss?.['rss-indirection-table']?.slice(0, 4),
      ]
    for (const { dst, gateway, metrics } of route) seen[`route ${dst}`] = [gateway, metrics]
    for (const { priority, table } of rule) seen[`rule ${priority}`] = table
    seen.ttl = sysctl['net.ipv4.ip_default_ttl']
    return seen
  }

  test('killed again and again in a stream of changes, it loses nothing and invents nothing', async () => {
    const dir = folder()
    const next = seeded(isLong ? Date.now() : 5)
    const below = (n: number): number => (next() >>> 0) % n
    const draw = (): Change => {
      const n = below(40)
      switch (below(8)) {
        case 0:
          return { method: 'PUT', path: `/v1/links/d${n & 3}`, body: { kind: 'dummy', up: true } }
        case 1:
          return { method: 'DELETE', path: `/v1/links/d${n & 3}` }
        case 2:
          return { method: 'PUT', path: `/v1/links/base/addresses/10.9.${n}.1/24`, body: {} }
        case 3:
          return { method: 'PATCH', path: '/v1/links/base', body: { mtu: 1300 + n } }
        case 4:
          return {
            method: 'PUT',
            path: '/v1/sysctl/net.ipv4.ip_default_ttl',
            body: { value: 10 + n },
          }
        case 5:
          return { method: 'DELETE', path: `/v1/tables/main/routes/10.200.${n}.0/24` }
        case 6:
          return { method: 'POST', path: '/v1/rules', body: { priority: 100 + n, table: 100 } }
      }
      const body = { gateway: '10.8.0.9', metrics: [{ mtu: 1280 + below(100) }] }
      return { method: 'PUT', path: `/v1/tables/main/routes/10.200.${n}.0/24`, body }
    }
    let daemon = await start(dir)
    await daemon.must('PUT', '/v1/links/base', { kind: 'dummy', up: true })
    await daemon.must('PUT', '/v1/links/base/addresses/10.8.0.1/24', {})
    let known = await look(daemon)
    let changes = 0
    for (let round = 0; round < ROUNDS; round++) {
      const most = below(MOST_CHANGES)
      for (let k = 0; k < most; k++) {
        const { method, path, body } = draw()
        await daemon.call(method, path, body)
        changes++
      }
      known = await look(daemon)
      // one more is on its way when the daemon dies
      const last = draw()
      const cut = daemon.call(last.method, last.path, last.body).catch(() => null)
      await Bun.sleep(below(4))
      await Promise.all([daemon.stop('SIGKILL'), cut])
      daemon = await start(dir)
      const now = await look(daemon)
      if (!Bun.deepEquals(now, known)) {
        // it is there: then it is all that is new, and asking for it again changes nothing
        await daemon.call(last.method, last.path, last.body)
        expect(await look(daemon)).toEqual(now)
        const differing = [...new Set([...Object.keys(now), ...Object.keys(known)])].filter(
          (name) => !Bun.deepEquals(now[name], known[name])
        )
        const routesToo = last.path.includes('/links/')
        expect(differing.filter((name) => !routesToo || !name.startsWith('route')).length).toBe(1)
      }
    }
    expect(changes).toBeGreaterThan(ROUNDS)
    await daemon.stop()
  }, 600_000)

  test('holds namespaces, what is in them, and what joins them, in the order of all changes', async () => {
    const [dir, files] = [folder(), folder()]
    const file = join(files, 'softnet.toml')
    writeFileSync(
      file,
      `[[link]]
name = "v0"
kind = "veth"
data = { peer = { name = "eth0", netns = "blue" } }
addresses = ["10.1.0.1/24"]
[[netns]]
name = "blue"
link = [{ name = "eth0", addresses = ["10.1.0.2/24"] }]
route = [{ dst = "default", via = "10.1.0.1" }]
sysctl = { "net.ipv4.ip_forward" = 0 }
`
    )
    let daemon = await start(dir, ['-c', file])
    await daemon.must('PUT', '/v1/netns/red', {})
    const pair = { ifname: 'x', kind: 'veth', data: { peer: { name: 'y', netns: 'blue' } } }
    await daemon.must('POST', '/v1/netns/red/links', pair)
    await daemon.must('PUT', '/v1/netns/blue/links/y/addresses/10.2.0.1/24', {})
    await daemon.must('PATCH', '/v1/netns/red/links/x', { mtu: 1400, up: true })
    await daemon.must('POST', '/v1/links', { ifname: 'p', kind: 'veth', data: { peer: 'q' } })
    await daemon.must('PATCH', '/v1/links/q', { netns: 'red' })
    await daemon.must('PUT', '/v1/netns/red/links/q/addresses/10.3.0.1/24', {})
    await daemon.must('DELETE', '/v1/netns/blue/tables/main/routes/0.0.0.0/0')
    // out of a namespace again: from where the other end stays, and to where it is
    await daemon.must('POST', '/v1/netns/red/links', {
      ifname: 's',
      kind: 'veth',
      data: { peer: 't' },
    })
    await daemon.must('PATCH', '/v1/netns/red/links/s', { netns: '1', newname: 's1' })
    await daemon.must('POST', '/v1/links', {
      ifname: 'm',
      kind: 'veth',
      data: { peer: { name: 'n', netns: 'red' } },
    })
    await daemon.must('PATCH', '/v1/netns/red/links/n', { netns: '1' })
    await daemon.must('PATCH', '/v1/links/n', { mtu: 1300 })
    const before = await daemon.must<StackConfig>('GET', '/v1/config')
    expect(before.netns?.map(({ name }) => name)).toEqual(['blue', 'red'])
    await daemon.stop('SIGKILL')
    daemon = await start(dir)
    expect(daemon.said()).not.toContain('refused')
    expect(await daemon.must<StackConfig>('GET', '/v1/config')).toEqual(before)
    await daemon.must('DELETE', '/v1/netns/blue')
    await daemon.stop('SIGKILL')
    daemon = await start(dir)
    const { link = [], netns = [] } = await daemon.must<StackConfig>('GET', '/v1/config')
    expect(link.map(({ ifname }) => ifname)).toEqual(['p', 's1', 'm', 'n'])
    expect(netns.map(({ name, link }) => [name, link?.map(({ ifname }) => ifname)])).toEqual([
      ['red', ['q', 't']],
    ])
    await daemon.stop()
  })

  test('is where a file begins, and holds steering and impairment', async () => {
    const [dir, files] = [folder(), folder()]
    const file = join(files, 'softnet.toml')
    writeFileSync(
      file,
      '[[link]]\nname = "va"\nkind = "veth"\ndata = { peer = "vb" }\naddresses = ["10.7.0.1/24"]\n[[rule]]\npriority = 7\ntable = 100\n'
    )
    const first = await start(dir, ['-c', file])
    await first.must('PUT', '/v1/links/va/rss', { 'rss-indirection-table': new Array(128).fill(0) })
    await first.must('PATCH', '/v1/links/va', { netem: { delay: 500 } })
    await first.must('DELETE', '/v1/links/va/addresses/10.7.0.1/24')
    await first.must('PUT', '/v1/links/va/addresses/10.7.0.2/24', {})
    const before = await first.must<StackConfig>('GET', '/v1/config')
    await first.stop()
    const second = await start(dir, ['-c', file])
    const after = await second.must<StackConfig>('GET', '/v1/config')
    expect(after).toEqual(before)
    expect(after.rule).toMatchObject([{ priority: 7 }])
    expect(after.link).toContainEqual(
      expect.objectContaining({ ifname: 'va', netem: { delay: 500 }, addresses: ['10.7.0.2/24'] })
    )
    await second.stop()
  })

  describe('that can not be had', () => {
    test('because another daemon has it', async () => {
      const dir = folder()
      const daemon = await start(dir)
      const { status, said } = await failDaemon({ args: ['--state', dir] })
      expect([status, said]).toEqual([
        1,
        expect.stringContaining(`--state ${dir}: database is locked`),
      ])
      await daemon.stop()
    })
    test('because it is a file, or none of ours', async () => {
      const dir = folder()
      writeFileSync(join(dir, 'state.sqlite'), 'this is no database, whatever its name says')
      const { status, said } = await failDaemon({ args: ['--state', dir] })
      expect([status, said]).toEqual([1, expect.stringContaining('not a database')])
      const { status: other } = await failDaemon({ args: ['--state', join(dir, 'state.sqlite')] })
      expect(other).toBe(1)
    })
  })
})
