// Network namespaces inside one daemon: made and ended while it runs, each with tables, rules, sysctls, links, neighbours,
// sockets and counters of its own.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { MAX_NETNS } from '../../workers/netns/control.ts'
import { CLI, type Daemon, startDaemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'

let daemon: Daemon
/** What a command line says. */
const softnet = async (line: string): Promise<string> => {
  const child = Bun.spawn([...CLI, ...line.split(' ')], {
    env: { ...process.env, SOFTNET_API: `unix:${daemon.unix}` },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  await child.exited
  return out + err
}
const add = (name: string) => daemon.call('POST', '/v1/netns', { name })
const del = (name: string) => daemon.call('DELETE', `/v1/netns/${name}`)
const names = async () => (await daemon.list<{ name: string }>('/v1/netns')).map((o) => o.name)
const inside = <T>(name: string, path: string): Promise<T> =>
  daemon.must<T>('GET', `/v1/netns/${name}${path}`)

describeE2e(import.meta.path, 'network namespaces', () => {
  beforeAll(async () => {
    daemon = await startDaemon({ workers: 1 })
  })
  afterAll(() => daemon?.stop())

  test('each has tables, rules, sysctls, links, neighbours, sockets and counters of its own', async () => {
    expect(await softnet('ip netns add blue')).toBe('')
    expect(await softnet('ip netns add red')).toBe('')
    expect(await softnet('ip netns')).toBe('blue\nred\n')
    for (const line of [
      'ip -n blue link add d0 type dummy',
      'ip -n blue addr add 10.1.0.1/24 dev d0',
      'ip -n blue link set d0 up',
      'ip -n blue route add default via 10.1.0.9',
      'ip -n blue rule add from 10.1.0.0/24 table 7 priority 5',
      'ip -n blue neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev d0',
      '--netns blue sysctl -q -w net.ipv4.ip_forward=0',
    ])
      expect([line, await softnet(line)]).toEqual([line, ''])
    expect(await softnet('ip -n blue route show default')).toBe('default via 10.1.0.9 dev d0 \n')
    const counts = await Promise.all(
      ['/links', '/routes', '/rules', '/neighs'].map(async (path) => {
        const ofBlue = await inside<{ items: unknown[] }>('blue', path)
        const ofRed = await inside<{ items: unknown[] }>('red', path)
        const ofDefault = await daemon.list(`/v1${path}`)
        return [
          path,
          ofBlue.items.length - ofRed.items.length,
          ofDefault.length - ofRed.items.length,
        ]
      })
    )
    for (const [path, more, same] of counts) {
      expect([path, Number(more) > 0]).toEqual([path, true])
      expect([path, same]).toEqual([path, 0])
    }
    const forwards = (path: string) => daemon.must(`GET`, `${path}/sysctl/net.ipv4.ip_forward`)
    expect(await forwards('/v1/netns/blue')).toMatchObject({ value: 0 })
    for (const path of ['/v1', '/v1/netns/red'])
      expect(await forwards(path)).toMatchObject({ value: 1 })
    expect(await softnet('ss -tln -N blue')).toContain('0.0.0.0:7')
  })

  test('one that is gone is not found, and its name is free', async () => {
    expect(await softnet('ip netns del blue')).toBe('')
    expect(await softnet('ip -n blue link')).toBe(
      'Cannot open network namespace "blue": No such file or directory\n'
    )
    expect((await add('blue')).status).toBe(201)
    expect((await inside<{ items: unknown[] }>('blue', '/links')).items).toHaveLength(1)
  })

  test('there are so many and no more', async () => {
    const fill = Array.from({ length: MAX_NETNS - 2 }, (_, k) => `n${k}`)
    for (const name of fill) expect((await add(name)).status).toBe(201)
    expect(await softnet('ip netns add more')).toBe(
      'Failed to create a new network namespace "more": No space left on device\n'
    )
    expect((await names()).length).toBe(MAX_NETNS)
    for (const name of [...fill, 'red']) expect((await del(name)).status).toBe(200)
    expect(await names()).toEqual(['blue'])
    expect((await add('more')).status).toBe(201)
  })
})
