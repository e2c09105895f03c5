// Another user of the machine on which root runs `softnet up` with defaults: reads work, as with ip and ss, and no file
// is made, no link, no route. The stranger is nobody, by setpriv(1); where the system lets us be one user alone, he is
// at least somebody who has neither the socket nor the token.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { runIn as runProgram } from './support/commands.ts'
import type { Daemon } from './support/daemon.ts'
import { startDaemon } from './support/daemon.ts'
import { describeE2e } from './support/inside.ts'
import { requireTool } from '../support/tools.ts'
import type { Namespace } from '../../workers/os/netns.ts'

const NOBODY = 65534
const TCP = 'http://127.0.0.1:7777'
/** Our own namespaces, as a program's start wants them. */
const HERE = { pid: process.pid } as Namespace

const isMapped = (id: number): boolean =>
  readFileSync('/proc/self/uid_map', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first, , count]) => id >= first! && id < first! + count!)

const stranger: readonly string[] = isMapped(NOBODY)
  ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  : []

describeE2e(import.meta.path, 'another user', () => {
  let daemon: Daemon

  beforeAll(async () => {
    if (stranger.length === 0) console.log('one user alone: no setpriv, and no socket and token')
    daemon = await startDaemon({ listensByDefault: true, config: 'files = "."\n' })
    // The folder of the socket may be passed by everybody, as /run may.
    chmodSync(daemon.folder, 0o755)
  })
  afterAll(() => daemon?.stop())

  const curl = async (...args: string[]): Promise<{ status: string; body: string }> => {
    const argv = [...stranger, requireTool('curl'), '-sS', '--max-time', '10']
    const { out, err } = await runProgram(HERE, [...argv, '-w', '\n%{http_code}', ...args])
    const at = out.lastIndexOf('\n')
    return { status: out.slice(at + 1), body: out.slice(0, at) + err }
  }
  const JSON_TYPE = ['-H', 'Content-Type: application/json']
  const state = async (): Promise<string> => {
    const parts = ['/v1/config', '/v1/routes', '/v1/neighs', '/v1/sysctl']
    return JSON.stringify(await Promise.all(parts.map((path) => daemon.must('GET', path))))
  }

  test('looks', async () => {
    for (const path of ['/v1/links', '/v1/routes', '/v1/sockets', '/v1/workers', '/metrics', '/'])
      expect([path, (await curl(TCP + path)).status]).toEqual([path, '200'])
  })

  test('changes nothing', async () => {
    const before = await state()
    const file = `${daemon.folder}/evil.pcap`
    const pcap = JSON.stringify({ kind: 'pcap', up: true, data: { record: file } })
    const changes = [
      ['PUT', '/v1/links/evil0', pcap],
      ['PUT', '/v1/links/evil1', '{"kind":"tap"}'],
      ['PUT', '/v1/links/evil2', '{"kind":"packet","data":{"ifname":"lo"}}'],
      ['PUT', '/v1/tables/main/routes/10.0.0.0/8', '{"type":"blackhole"}'],
      ['POST', '/v1/tables/main/routes:batch', '{"dst":"10.0.0.0/8","type":"blackhole"}'],
      ['PUT', '/v1/config', '{"route":[]}'],
      ['PUT', '/v1/sysctl/net.ipv4.ip_forward', '{"value":1}'],
      ['PATCH', '/v1/links/lo', '{"up":false}'],
    ]
    for (const [method, path, body] of changes) {
      const answer = await curl('-X', method!, ...JSON_TYPE, '-d', body!, TCP + path)
      expect([path, answer.status]).toEqual([path, '401'])
    }
    expect((await curl('-X', 'DELETE', `${TCP}/v1/links/lo`)).status).toBe('401')
    expect((await curl(`${TCP}/v1/capture`)).status).toBe('401')
    expect(await state()).toBe(before)
    expect(existsSync(file)).toBe(false)
    const devices = readFileSync('/proc/net/dev', 'utf8')
    expect(devices).not.toContain('evil')
  })

  test('has neither the socket nor the token', async () => {
    const token = `${daemon.folder}/softnet.token`
    for (const path of [daemon.unix, token]) expect(statSync(path).mode & 0o777).toBe(0o600)
    if (stranger.length === 0) return
    const answer = await curl('--unix-socket', daemon.unix, 'http://softnet/v1/links')
    expect(answer.status).toBe('000')
    expect((await runProgram(HERE, [...stranger, 'cat', token])).status).not.toBe(0)
  })

  test('a web page that he, or anybody, visits reads nothing and changes nothing', async () => {
    const foreign = ['-H', 'Origin: http://evil.example']
    expect((await curl(...foreign, `${TCP}/v1/links`)).status).toBe('403')
    expect((await curl('-H', 'Host: evil.example', `${TCP}/v1/links`)).status).toBe('403')
  })

  test('the owner changes over the socket, and over loopback with the token of the file', async () => {
    const veth = ['ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1']
    expect(await daemon.cli('--api', TCP, ...veth)).toEqual({ status: 0, out: '', err: '' })
    expect(await daemon.cli('ip', 'link', 'del', 'v0')).toEqual({ status: 0, out: '', err: '' })
    const none = await daemon.cli('--api', TCP, '--token', 'wrong', ...veth)
    expect([none.status, none.err]).toEqual([
      1,
      `Error: Permission denied: over loopback anybody may look, but to change anything needs the socket unix:${daemon.unix} or a token in $SOFTNET_TOKEN (the daemon's is in ${daemon.folder}/softnet.token).\n`,
    ])
  })

  test('the files of links lie in their folder, for the owner too', async () => {
    symlinkSync('/etc/passwd', `${daemon.folder}/link`)
    const record = (path: string) =>
      daemon.call('PUT', '/v1/links/rec0', { kind: 'pcap', data: { record: path } })
    for (const path of ['../out.pcap', '/tmp/softnet-out.pcap', 'link', 'link/x']) {
      const { status } = await record(path)
      expect([path, status >= 400 && status < 500]).toEqual([path, true])
    }
    expect(existsSync('/tmp/softnet-out.pcap')).toBe(false)
    expect((await record('out.pcap')).status).toBe(200)
    expect(existsSync(`${daemon.folder}/out.pcap`)).toBe(true)
  })

  test('a daemon takes its token with it', async () => {
    await daemon.stop('SIGTERM')
    expect(existsSync(daemon.folder)).toBe(false)
  })
})
