// The scenes of `softnet demo`: in each, what its file says of it comes to pass, and every line it says to try does what it says.

import { afterEach, expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { listScenes, readScene, SCENES } from '../../api/scenes/scenes.ts'
import type { NeighItem, SockItem } from '../../core/control/text/messages.ts'
import { toolPath } from '../support/tools.ts'
import { CLI, type Daemon, startDaemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'

const WITHIN_MS = 25_000

let daemon: Daemon | undefined
const stage = async (scene: string): Promise<Daemon> => {
  daemon = await startDaemon({ command: 'demo', args: [scene] })
  writeFileSync(
    `${daemon.folder}/softnet`,
    `#!/bin/sh\nSOFTNET_API=unix:${daemon.unix} exec ${CLI.join(' ')} "$@"\n`
  )
  chmodSync(`${daemon.folder}/softnet`, 0o755)
  return daemon
}
/** Looks until it is so. */
const comes = async (what: string, ask: () => Promise<boolean>): Promise<void> => {
  const late = performance.now() + WITHIN_MS
  while (!(await ask())) {
    if (performance.now() > late) throw new Error(`it never came to pass: ${what}`)
    await Bun.sleep(100)
  }
}
/** A line as it is typed, with `softnet` on the PATH; what it printed. */
const type = async (line: string): Promise<string> => {
  const { folder } = daemon!
  const child = Bun.spawn(['sh', '-c', line], {
    env: { ...process.env, PATH: `${folder}:${toolPath()}`, XDG_RUNTIME_DIR: folder },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: WITHIN_MS,
  })
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  expect([line, await child.exited, err.replace(/^\d+ packets .*\n/gm, '')]).toEqual([
    line,
    0,
    expect.any(String),
  ])
  return out
}
const tryAll = async (scene: string): Promise<string[]> => {
  const said: string[] = []
  for (const { run } of readScene(scene).try) said.push(await type(run))
  return said
}
const nstatOf = async (host: string, name: string): Promise<number> => {
  const path = host === 'router' ? '/v1/nstat' : `/v1/netns/${host}/nstat`
  return (await daemon!.must<{ kernel: Record<string, number> }>('GET', path)).kernel[name]!
}
const connectionsOf = async (host: string): Promise<SockItem[]> =>
  (await daemon!.list<SockItem>(`/v1/netns/${host}/sockets/tcp`)).filter(
    ({ state }) => state === 'ESTAB'
  )
const sent = async (host: string): Promise<number> =>
  (await connectionsOf(host)).reduce((sum, sock) => sum + (sock.bytes_acked ?? 0), 0)
/** What it sends arrives. */
const goesOn = async (host: string): Promise<void> => {
  const before = await sent(host)
  await comes(`${host} sends on`, async () => (await sent(host)) > before)
}

describeE2e(import.meta.path, 'the scenes of softnet demo', () => {
  afterEach(async () => {
    await daemon?.stop()
    daemon = undefined
  })

  test('each is listed, with the lines that its daemon says', async () => {
    const listed = listScenes()
    for (const [name, title] of Object.keys(SCENES).map((one) => [one, readScene(one).title]))
      expect(listed).toContain(`${name!.padEnd(12)} ${title}\n`)
    const said = (await stage('lans')).said()
    expect(said).toContain('softnet: API at unix:')
    for (const { run, shows } of readScene('lans').try) {
      expect(said).toContain(run.replaceAll('softnet ', 'npx softnet '))
      expect(said).toContain(shows)
    }
  })

  test('lans: two LANs, and a stream over a long link that loses', async () => {
    await stage('lans')
    await goesOn('moon')
    const [page, sockets, trace] = await tryAll('lans')
    expect(page).toContain('This page was sent by softnet')
    const rtt = Number(/ rtt:([\d.]+)\//.exec(sockets!)?.[1])
    expect(rtt).toBeGreaterThan(39)
    expect(trace).toContain('ip_forward')
  })

  test('loss: losses are found, sent again, and the stream goes on', async () => {
    await stage('loss')
    await comes('recovery', async () => (await nstatOf('disk', 'TcpExtTCPSackRecovery')) > 0)
    await goesOn('disk')
    const [sockets, counters, frames] = await tryAll('loss')
    expect(sockets).toMatch(/ cwnd:\d+ ssthresh:\d+ .* bytes_retrans:\d+ /)
    expect(counters).toMatch(/^TcpRetransSegs +[1-9]/m)
    expect(frames!.trim().split('\n')).toHaveLength(5)
  })

  test('dead-hop: the gateway fails, what goes there is unreachable, and another route mends it', async () => {
    await stage('dead-hop')
    const gateway = async (): Promise<string | undefined> =>
      (await daemon!.list<NeighItem>('/v1/neighs')).find(({ dst }) => dst === '10.2.0.2')?.state[0]
    await comes('10.2.0.2 is FAILED', async () => (await gateway()) === 'FAILED')
    expect(await daemon!.dropped('NEIGH_FAILED')).toBeGreaterThan(0)
    expect(await connectionsOf('shop')).toEqual([])
    const [neighs, frames] = await tryAll('dead-hop')
    expect(neighs).toMatch(/^10\.2\.0\.2 (FAILED|INCOMPLETE)/m)
    expect(frames).toContain('10.9.0.10')
    await comes('shop is connected', async () => (await connectionsOf('shop')).length === 1)
    await goesOn('shop')
  })

  test('steering: one worker has it all, then two, and no connection notices', async () => {
    await stage('steering')
    const connections = async (): Promise<string> =>
      (await Promise.all(['shop', 'desk', 'mail', 'disk'].map(connectionsOf)))
        .flat()
        .map(({ local, peer }) => `${local.addr}:${local.port} ${peer.addr}:${peer.port}`)
        .sort()
        .join('\n')
    await comes('all are connected', async () => (await connections()).split('\n').length === 16)
    const before = await connections()
    const forwarded = async (): Promise<number[]> => {
      const workers = await daemon!.list<{ processed: number }>('/v1/workers')
      return workers.map(({ processed }) => processed)
    }
    const [, idle] = await forwarded()
    await goesOn('shop')
    expect((await forwarded())[1]! - idle!).toBeLessThan(50)
    const [stat, , flows] = await tryAll('steering')
    expect(stat!.trim().split('\n').length).toBeGreaterThan(2)
    expect(flows).toMatch(/^ +1 +[0-9a-f]{8} +tcp /m)
    await comes('worker 1 works', async () => (await forwarded())[1]! > idle! + 500)
    for (const host of ['shop', 'desk', 'mail', 'disk']) await goesOn(host)
    expect(await connections()).toBe(before)
  })

  test('pmtu: the router refuses what is too large, and shop sends smaller segments', async () => {
    await stage('pmtu')
    await comes('pmtu 1280', async () => (await connectionsOf('shop'))[0]?.pmtu === 1280)
    await goesOn('shop')
    const [sockets, counters, trace] = await tryAll('pmtu')
    expect(sockets).toContain(' mss:1228 pmtu:1280 ')
    expect(counters).toMatch(/^IpFragFails +[1-9]/m)
    expect(trace).toContain('PKT_TOO_BIG')
  })

  test('syn-flood: the queue is full, cookies let shop in, and without them it stays out', async () => {
    await stage('syn-flood')
    await comes(
      'cookies come back',
      async () => (await nstatOf('router', 'TcpExtSyncookiesRecv')) > 1
    )
    const received = await nstatOf('shop', 'TcpInSegs')
    await comes('shop is served', async () => (await nstatOf('shop', 'TcpInSegs')) > received + 20)
    expect(await nstatOf('shop', 'TcpExtTCPSynRetrans')).toBe(0)
    const [waiting, counters] = await tryAll('syn-flood')
    expect(waiting).toContain(' 198.18.')
    expect(counters).toMatch(/^TcpExtSyncookiesSent +[1-9]/m)
    expect(counters).toMatch(/^TcpExtSyncookiesRecv +[1-9]/m)
    await comes(
      'requests are dropped',
      async () => (await nstatOf('router', 'TcpExtTCPReqQFullDrop')) > 0
    )
    await comes('shop asks again', async () => (await nstatOf('shop', 'TcpExtTCPSynRetrans')) > 3)
  })
})
