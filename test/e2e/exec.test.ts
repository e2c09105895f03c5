// `softnet demo` and `softnet exec` as anybody runs them: no privilege, no namespaces made beforehand.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { StackConfig } from '../../core/control/text/messages.ts'
import { pingLoss } from './support/commands.ts'
import type { Daemon } from './support/daemon.ts'
import { startDaemon } from './support/daemon.ts'
import { requireTool } from '../support/tools.ts'

const HOST_ON_LAN0 = '10.1.0.10'
const HOST_ON_LAN1 = '10.2.0.10'
const ROUTER = '10.0.0.1'
const TIMEOUT_MS = 30_000

describe('softnet demo and softnet exec', () => {
  let daemon: Daemon

  beforeAll(async () => {
    for (const tool of ['ping', 'curl', 'traceroute'] as const) requireTool(tool)
    daemon = await startDaemon({ command: 'demo' })
  }, TIMEOUT_MS)
  afterAll(() => daemon?.stop())

  const exec = async (...command: string[]): Promise<string> => {
    const { status, out, err } = await daemon.cli('exec', '--', ...command)
    if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}\n${out}${err}`)
    return out
  }

  test(
    'ping of the router and of a host behind it loses nothing',
    async () => {
      for (const address of [ROUTER, HOST_ON_LAN0, HOST_ON_LAN1]) {
        expect(pingLoss(await exec('ping', '-c', '50', '-i', '0.02', address))).toBe(0)
      }
    },
    TIMEOUT_MS
  )

  test(
    'curl gets the page that a host serves over softnet',
    async () => {
      for (const address of [HOST_ON_LAN0, HOST_ON_LAN1]) {
        const page = await exec('curl', '-sS', '--max-time', '10', `http://${address}/`)
        expect(page).toContain('This page was sent by softnet')
        expect(page).toContain(address)
      }
    },
    TIMEOUT_MS
  )

  test(
    'a download has its length',
    async () => {
      const url = `http://${HOST_ON_LAN1}/bytes/20000000`
      const wanted = '%{size_download} %{http_code}'
      const said = await exec(
        'curl',
        '-sS',
        '--max-time',
        '20',
        '-o',
        '/dev/null',
        '-w',
        wanted,
        url
      )
      expect(said).toBe('20000000 200')
    },
    TIMEOUT_MS
  )

  test(
    'the exit status of the program is the exit status of exec',
    async () => {
      expect((await daemon.cli('exec', '--', 'sh', '-c', 'exit 7')).status).toBe(7)
      expect((await daemon.cli('exec', '--', '/no/such/program')).status).toBe(127)
    },
    TIMEOUT_MS
  )
})

test(
  'softnet exec on any daemon: a TAP makes the namespace that its other end is in, and ends it',
  async () => {
    const daemon = await startDaemon({ workers: 1 })
    try {
      const said = async (...argv: string[]): Promise<string> => {
        const { out, err } = await daemon.cli(...argv)
        return out + err
      }
      const ping = ['exec', '--net', 'user', '--', 'ping', '-c', '3', '-i', '0.02', '10.9.0.1']
      expect(await said(...ping)).toContain('no network namespace to run programs in')
      const link =
        'ip link add user0 up type tap addresses 10.9.0.2/24 gateway 10.9.0.1 peer name eth0 netns user'
      expect(await said(...link.split(' '))).toBe('')
      expect(await said(...'ip addr add 10.9.0.1/24 dev user0'.split(' '))).toBe('')
      expect(pingLoss(await said(...ping))).toBe(0)
      expect(await said('ip', 'netns')).toBe('user\n')
      expect(await said('ip', 'netns', 'exec', 'user', 'hostname', '-I')).toContain('10.9.0.2')
      const [holder = ''] = (await said('ip', 'netns', 'pids', 'user')).split('\n')
      expect(await said('ip', 'netns', 'identify', holder)).toBe('user\n')
      expect(await said('ip', 'netns', 'add', 'user')).toContain('File exists')
      const { link: links = [] } = await daemon.must<StackConfig>('GET', '/v1/config')
      expect(links[0]?.data).toMatchObject({
        netns: 'user',
        addresses: ['10.9.0.2/24'],
        gateway: '10.9.0.1',
      })
      expect(await said('ip', 'link', 'del', 'user0')).toBe('')
      expect(await said(...ping)).toContain('no network namespace to run programs in')
    } finally {
      await daemon.stop()
    }
  },
  TIMEOUT_MS
)
