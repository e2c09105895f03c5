// The daemon and a service manager: what it tells of itself, and the unit that docs/ has.

import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../bin/bootstrap.mjs'
import packageJson from '../../package.json'
import { parseDaemonArgs } from '../../api/cli/daemon-args.ts'
import { requireTool } from '../support/tools.ts'
import { startDaemon } from './support/daemon.ts'

const VETH = '[[link]]\nname = "v0"\nkind = "veth"\n'

/** A service manager's ear: the datagrams that come to a socket. */
const listen = async (path: string) => {
  const child = Bun.spawn([requireTool('socat'), '-u', `UNIX-RECV:${path}`, 'STDOUT'], {
    stdout: 'pipe',
    timeout: 25_000,
  })
  let heard = ''
  void (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of child.stdout) heard += `${decoder.decode(chunk)};`
  })()
  const until = async (what: string, times = 1): Promise<string> => {
    while (heard.split(what).length <= times) {
      if (child.exitCode !== null) throw new Error(`heard only ${heard}`)
      await Bun.sleep(5)
    }
    return heard
  }
  while (
    !(await Bun.file(path)
      .stat()
      .then(
        () => true,
        () => false
      ))
  )
    await Bun.sleep(5)
  return { until, end: () => child.kill() }
}

test('it says that it is ready, that it reads its file anew, and that it ends; each change has a line', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'softnet-notify-'))
  const manager = await listen(join(folder, 'notify'))
  const daemon = await startDaemon({
    config: VETH,
    env: { NOTIFY_SOCKET: join(folder, 'notify') },
    args: ['--audit', join(folder, 'audit')],
  })
  const file = join(daemon.folder, 'softnet.toml')
  const forwards = async (): Promise<unknown> =>
    (await daemon.must<{ value: unknown }>('GET', '/v1/sysctl/net.ipv4.ip_forward')).value
  try {
    const heard = await manager.until('MAINPID')
    expect(heard).toBe(`READY=1\nMAINPID=${daemon.pid};`)
    writeFileSync(file, `workers = 1\n${VETH}[sysctl]\n"net.ipv4.ip_forward" = 1\n`)
    process.kill(daemon.pid, 'SIGHUP')
    const again = await manager.until(';READY=1;')
    expect(await forwards()).toBe(1)
    expect(again.slice(heard.length)).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+;READY=1;$/)
    await daemon.must('PUT', '/v1/sysctl/net.ipv4.ip_forward', { value: 0 })
    writeFileSync(file, `${VETH}[sysctl]\n"net.ipv4.ip_forward" = 2\n`)
    process.kill(daemon.pid, 'SIGHUP')
    const third = await manager.until(';READY=1;', 2)
    expect(await forwards()).toBe(0)
    const { status, said } = await daemon.stop()
    expect(status).toBe(0)
    expect(said.split('\n').filter((line) => line.includes('softnet.toml'))).toEqual([
      expect.stringMatching(/^softnet: \S+softnet.toml is in force revision=\d+$/),
      expect.stringMatching(/^softnet: \S+softnet.toml: in force with the next start: workers$/),
      expect.stringMatching(
        /^softnet: \S+softnet.toml is not in force: sysctl\[.*Invalid argument$/
      ),
    ])
    const changes = readFileSync(join(folder, 'audit'), 'utf8').trim().split('\n')
    expect(changes.map((line) => JSON.parse(line) as object)).toMatchObject([
      { by: 'SIGHUP', method: 'PUT', path: '/v1/config', status: 200 },
      { by: 'unix', method: 'PUT', path: '/v1/sysctl/net.ipv4.ip_forward', status: 200 },
      { by: 'SIGHUP', method: 'PUT', path: '/v1/config', status: 422 },
    ])
    expect(await manager.until('STOPPING')).toBe(`${third}STOPPING=1;`)
  } finally {
    await daemon.stop()
    manager.end()
    rmSync(folder, { recursive: true })
  }
})

test('a manager that is not there is none', async () => {
  const daemon = await startDaemon({ env: { NOTIFY_SOCKET: '/nowhere/notify' } })
  expect((await daemon.stop()).status).toBe(0)
})

test("the unit's command line is one of softnet up", () => {
  const unit = readFileSync(`${root}/docs/softnet.service`, 'utf8')
  const [, line = ''] = /^ExecStart=\/usr\/bin\/env softnet up (.*)$/m.exec(unit) ?? []
  expect(parseDaemonArgs(line.split(' '))).toMatchObject({
    configFile: '/etc/softnet.toml',
    state: '/var/lib/softnet',
  })
  expect(unit).toContain('Type=notify')
})

test("so is the container's, and what it is built of is there", () => {
  const recipe = readFileSync(`${root}/docs/Dockerfile`, 'utf8')
  const [, words = ''] = /^CMD (\[.*\])$/m.exec(recipe) ?? []
  const [command, ...args] = JSON.parse(words) as string[]
  expect(command).toBe('up')
  expect(parseDaemonArgs(args)).toMatchObject({ user: 'softnet', state: '/var/lib/softnet' })
  expect(recipe).toContain('useradd --system --home-dir /var/lib/softnet')
  expect(Object.keys(packageJson.scripts)).toContain('build')
})
