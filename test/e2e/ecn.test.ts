// The kernel and softnet agree on ECN (RFC 3168) when either asks, and each sends the other marked text.

import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { root } from '../../bin/bootstrap.mjs'
import { expectNothingLeaked, warmUp } from './support/checks.ts'
import { runIn, startIn, toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { createTopology, ROUTER_A } from './support/topology.ts'
import { requireTool } from '../support/tools.ts'

const ECHO = `TCP4:${ROUTER_A}:7`

describeE2e(import.meta.path, 'ECN with the kernel', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof warmUp>>

  beforeAll(async () => {
    net = await createTopology()
    before = await warmUp(net)
  })
  afterEach(() => modes(2, 2))
  afterAll(() => net?.close())

  /** tcp_ecn of both. */
  const modes = async (kernel: number, softnet: number): Promise<void> => {
    await net.a.ask({ op: 'sysctl', name: 'net.ipv4.tcp_ecn', value: `${kernel}` })
    await net.daemon.must('PUT', '/v1/sysctl/net.ipv4.tcp_ecn', { value: softnet })
  }
  /** What ss tells of both ends of a connection that the kernel has opened. */
  const bothEnds = async (): Promise<string[]> => {
    const client = startIn(net.a, [requireTool('socat'), 'STDIO', ECHO], { holdInput: true })
    try {
      for (const deadline = performance.now() + 10_000; ; ) {
        const { out: kernel } = await runIn(net.a, ['ss', '-tinoH', 'state', 'established'])
        if (kernel.includes(':7')) {
          const { out } = await net.daemon.cli('ss', '-tinoH', 'state', 'established')
          return [kernel, out]
        }
        if (performance.now() > deadline) throw new Error('no connection')
      }
    } finally {
      await client.end()
    }
  }
  /** Packets with ECT(0) that each end has received. */
  const marked = async (): Promise<number[]> => {
    const { out } = await runIn(net.a, ['cat', '/proc/net/netstat'])
    const [names, values] = out.split('\n').filter((line) => line.startsWith('IpExt:'))
    const at = names!.split(' ').indexOf('InECT0Pkts')
    return [Number(values!.split(' ')[at]), await net.daemon.nstat('IpExtInECT0Pkts')]
  }
  const transfer = async (): Promise<void> => {
    const file = `OPEN:${process.execPath},rdonly!!OPEN:/dev/null`
    await toolIn(net.a, 'socat', ['-t', '20', '-b', '65536', file, ECHO])
  }

  test('asked by the kernel softnet agrees, and both mark their text', async () => {
    // with 3 and 5 it would agree to AccECN, which Linux asks for from 7.0 on: until then to RFC 3168
    for (const mode of [2, 3, 5]) {
      await modes(1, mode)
      for (const end of await bothEnds()) expect(end).toMatch(/ ecn /)
      const [kernel, softnet] = await marked()
      await transfer()
      const [kernelAfter, softnetAfter] = await marked()
      expect(kernelAfter! - kernel!).toBeGreaterThan(100)
      expect(softnetAfter! - softnet!).toBeGreaterThan(100)
    }
    await expectNothingLeaked(net.daemon, before)
  })
  test.each([
    ['is not asked', 2, 2],
    ['has tcp_ecn 0', 1, 0],
  ])('no ECN when softnet %s', async (_why, kernel, softnet) => {
    await modes(kernel, softnet)
    for (const end of await bothEnds()) expect(end).not.toMatch(/ ecn /)
    const counted = await marked()
    await transfer()
    expect(await marked()).toEqual(counted)
    await expectNothingLeaked(net.daemon, before)
  })
  test('a stack that asks for AccECN takes what ECN the kernel has', async () => {
    const mode = '/proc/sys/net/ipv4/tcp_ecn'
    const old = readFileSync(mode, 'utf8')
    const program = Bun.spawn([process.execPath, 'test/e2e/support/ecn-client.ts'], {
      cwd: root,
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    })
    const said = program.stdout.getReader()
    const read = async (): Promise<string> => new TextDecoder().decode((await said.read()).value)
    let shown = ''
    const server = createServer((socket) => {
      shown = Bun.spawnSync([requireTool('ss'), '-tinoH', 'sport', '=', ':9000']).stdout.toString()
      socket.on('error', () => {}).pipe(socket)
    })
    try {
      expect(await read()).toBe('ready\n')
      const { exitCode } = Bun.spawnSync([
        requireTool('ip'),
        'addr',
        'add',
        '10.9.0.1/24',
        'dev',
        'soft0',
      ])
      expect(exitCode).toBe(0)
      await new Promise<void>((done) => server.listen(9000, '10.9.0.1', done))
      for (const [value, has] of [
        [2, true],
        [0, false],
      ] as const) {
        writeFileSync(mode, `${value}`)
        program.stdin.write('text\n')
        await program.stdin.flush()
        expect(await read()).toBe('text\n')
        expect(shown).toInclude('10.9.0.2')
        expect(/ ecn /.test(shown)).toBe(has)
      }
      // its input has ended: it closes its stack and ends by itself
      await program.stdin.end()
      expect(await program.exited).toBe(0)
    } finally {
      program.kill()
      server.close()
      writeFileSync(mode, old)
    }
  })
})
