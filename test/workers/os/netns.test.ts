import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { dlopen } from 'bun:ffi'
import { execInNamespace } from '../../../workers/os/exec.ts'
import { libc } from '../../../workers/os/libc.ts'
import { createNamespace, joinVeth } from '../../../workers/os/netns.ts'
import { createPollSet, POLLIN } from '../../../workers/os/poll.ts'
import { echoOnce } from './support/echo.ts'
import { describeInside } from './support/inside.ts'

const CLIENT = `${import.meta.dir}/support/udp-client.ts`
const ECONNREFUSED = 111

const client = (pid: number, ...args: string[]): Promise<number> =>
  execInNamespace(pid, [process.execPath, CLIENT, ...args])

/** Answers frames until the command ends. */
const echoUntil = async (fd: number, command: Promise<number>): Promise<number> => {
  const set = createPollSet(1)
  set.add(fd, POLLIN)
  let status: number | undefined
  command.then((code) => {
    status = code
  })
  while (status === undefined) {
    if (set.wait(5) > 0) while (echoOnce(fd));
    await new Promise(setImmediate)
  }
  set.close()
  return status
}

const address = '10.0.1.2/24'
const gateway = '10.0.1.1'

describe.each(['auto', 'packet'] as const)('a namespace with device %s', (device) => {
  test('a program inside talks to us over its default route', async () => {
    const ns = await createNamespace({ name: 'echo', device, address, gateway, mtu: 9000 })
    if (ns.device?.reason) console.log(`packet socket instead of TAP: ${ns.device.reason}`)
    expect(ns.device).toMatchObject({ ifname: 'eth0', mtu: 9000, vnetHdrLen: 10 })
    expect(await echoUntil(ns.fds[0]!, client(ns.pid, '192.0.2.1', '7'))).toBe(0)
    expect(await echoUntil(ns.fds[0]!, client(ns.pid, '10.0.1.1', '7', '8800'))).toBe(0)
    await ns.close()
  })

  test('gives one descriptor a queue, and the MAC that was asked for', async () => {
    const mac = '02:00:00:00:00:42'
    const ns = await createNamespace({ name: 'queues', device, address, queues: 3, mac })
    expect(ns.fds.length).toBe(3)
    expect(ns.device?.mac).toBe(mac)
    await ns.close()
  })

  test('nothing is left after close', async () => {
    const ns = await createNamespace({ name: 'gone', device, address })
    expect(existsSync(`/proc/${ns.pid}`)).toBe(true)
    await ns.close()
    expect(existsSync(`/proc/${ns.pid}`)).toBe(false)
  })
})

test('a wrong address is refused with the reason and leaves no process', async () => {
  const wrong = createNamespace({ name: 'wrong', device: 'packet', address: '10.0.1.2/64' })
  await expect(wrong).rejects.toThrow("namespace wrong: '10.0.1.2/64' is not an address")
})

test("a request is answered with the kernel's reason", async () => {
  const ns = await createNamespace({ name: 'ask', device: 'none' })
  const asked = ns.ask({ op: 'link', name: 'eth9', change: { up: true } })
  await expect(asked).rejects.toThrow('link eth9')
  await ns.ask({ op: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' })
  const probe = ['grep', '-q', '1', '/proc/sys/net/ipv4/ip_forward']
  expect(await execInNamespace(ns.pid, probe)).toBe(0)
  await ns.close()
})

test('the holder dies with a daemon that is killed', async () => {
  const { pidfd_open: pidfdOpen } = dlopen('libc.so.6', {
    pidfd_open: { args: ['i32', 'u32'], returns: 'i32' },
  }).symbols
  const script = `
    import { createNamespace } from ${JSON.stringify(require.resolve('../../../workers/os/netns.ts'))}
    console.log((await createNamespace({ name: 'orphan', device: 'packet' })).pid)
    setInterval(() => {}, 1000)`
  const daemon = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' })
  const { value } = await daemon.stdout.getReader().read()
  const pid = Number(new TextDecoder().decode(value))
  const set = createPollSet(1)
  const pidfd = pidfdOpen(pid, 0)
  set.add(pidfd, POLLIN)
  expect(set.wait(0)).toBe(0)
  daemon.kill('SIGKILL')
  expect(set.wait(5000)).toBe(1)
  libc.close(pidfd)
  set.close()
})

describeInside(import.meta.path, 'a topology of the kernel alone', () => {
  test('two hosts talk through a forwarding namespace', async () => {
    const make = (name: string) => createNamespace({ name, device: 'none' })
    const [a, router, b] = await Promise.all([make('a'), make('router'), make('b')])
    await joinVeth(
      { namespace: a, ifname: 'eth0', address: '10.0.1.2/24' },
      { namespace: router, ifname: 'left', address: '10.0.1.1/24' }
    )
    await joinVeth(
      { namespace: router, ifname: 'right', address: '10.0.2.1/24' },
      { namespace: b, ifname: 'eth0', address: '10.0.2.2/24' }
    )
    await router.ask({ op: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' })
    await a.ask({ op: 'route', route: { to: 'default', via: '10.0.1.1' } })
    await b.ask({ op: 'route', route: { to: 'default', via: '10.0.2.1' } })
    await a.ask({ op: 'feature', name: 'eth0', feature: 'tso', on: false })
    expect(await client(a.pid, '10.0.2.2', '9')).toBe(ECONNREFUSED)
    await Promise.all([a, router, b].map((ns) => ns.close()))
  })
})
