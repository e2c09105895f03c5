import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import type { ExecOptions } from '../../../workers/os/exec.ts'
import { execInNamespace, runInNewNamespace } from '../../../workers/os/exec.ts'
import type { Namespace } from '../../../workers/os/netns.ts'
import { createNamespace } from '../../../workers/os/netns.ts'

let ns: Namespace
let folder: string
let files = 0

beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/softnet-test-`)
  ns = await createNamespace({ name: 'exec', device: 'none', resolvConf: 'nameserver 10.0.1.1\n' })
})

afterAll(async () => {
  await ns.close()
  rmSync(folder, { recursive: true })
})

const withOutput = async (run: (options: ExecOptions) => Promise<number>) => {
  const path = `${folder}/${files++}`
  const fd = openSync(path, 'w')
  const status = await run({ stdio: [0, fd, fd] })
  closeSync(fd)
  return { status, output: readFileSync(path, 'utf8') }
}

const sh = (script: string, options: ExecOptions = {}) =>
  withOutput((io) => execInNamespace(ns.pid, ['sh', '-c', script], { ...options, ...io }))

test('gives the command its arguments, output and exit status', async () => {
  expect(await sh('echo "$0 of softnet"; exit 7')).toEqual({ status: 7, output: 'sh of softnet\n' })
})

test('the command is root in the namespace and sees only its interfaces', async () => {
  const { output } = await sh('id -u; cat /proc/net/dev | grep -c :')
  expect(output).toBe('0\n1\n')
})

test('the command keeps its working directory and gets its environment', async () => {
  const { output } = await sh('pwd; echo $A$HOME', { cwd: folder, env: { A: 'b', PATH: '/bin' } })
  expect(output).toBe(`${folder}\nb\n`)
})

test('the namespace has a resolv.conf of its own', async () => {
  expect((await sh('cat /etc/resolv.conf')).output).toBe('nameserver 10.0.1.1\n')
  expect(readFileSync('/etc/resolv.conf', 'utf8')).not.toBe('nameserver 10.0.1.1\n')
})

test('a command ended by signal n has status 128+n', async () => {
  expect((await sh('kill -9 $$')).status).toBe(137)
})

test('ignored SIGPIPE of ours is not inherited', async () => {
  expect((await sh('grep SigIgn /proc/self/status')).output).toContain('0000000000000000')
})

test('the command inherits no descriptor but 0, 1 and 2', async () => {
  // ls itself holds the folder open as 3.
  expect((await sh('ls /proc/self/fd')).output).toBe('0\n1\n2\n3\n')
})

test('SIGTERM is passed on', async () => {
  const running = sh(`trap 'echo got it; exit 3' TERM; kill -TERM ${process.pid}; sleep 5 & wait`)
  expect(await running).toEqual({ status: 3, output: 'got it\n' })
})

test('a command that is not there has status 127, one that cannot run 126', async () => {
  expect(await execInNamespace(ns.pid, ['/no/such/command'])).toBe(127)
  writeFileSync(`${folder}/plain`, '', { mode: 0o644 })
  expect(await execInNamespace(ns.pid, [`${folder}/plain`])).toBe(126)
})

test('a namespace that is gone cannot be entered', async () => {
  const other = await createNamespace({ name: 'gone', device: 'none' })
  await other.close()
  await expect(execInNamespace(other.pid, ['true'])).rejects.toThrow('no such namespace')
})

test('runs a command in namespaces of its own, lo up', async () => {
  const { status, output } = await withOutput((io) =>
    runInNewNamespace(['sh', '-c', 'id -u; cat /proc/net/route /proc/net/if_inet6; exit 5'], io)
  )
  expect(status).toBe(5)
  expect(output).toStartWith('0\n')
  expect(output).toContain('00000000000000000000000000000001 01 80')
})

test('a command dies with who ran it, however that one ends', async () => {
  const script = `
    import { execInNamespace } from ${JSON.stringify(`${import.meta.dir}/../../../workers/os/exec.ts`)}
    await execInNamespace(${ns.pid}, ['sh', '-c', 'echo $$; exec sleep 60'])`
  const caller = Bun.spawn([process.execPath, '-e', script], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { value } = await caller.stdout.getReader().read()
  const pid = Number(new TextDecoder().decode(value))
  expect(existsSync(`/proc/${pid}`)).toBe(true)
  caller.kill('SIGKILL')
  await caller.exited
  const deadline = performance.now() + 5000
  while (existsSync(`/proc/${pid}`)) {
    expect(performance.now()).toBeLessThan(deadline)
    await Bun.sleep(1)
  }
})
