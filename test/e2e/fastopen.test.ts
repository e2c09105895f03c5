// Fast Open between softnet and the kernel: a program with a stack asks the kernel for a cookie, and the text of its next
// connections comes with their SYNs.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { root } from '../../bin/bootstrap.mjs'
import { requireTool } from '../support/tools.ts'
import { describeE2e } from './support/inside.ts'

const ADDRESS = '10.9.0.1'
const PORT = 9000
const FASTOPEN = '/proc/sys/net/ipv4/tcp_fastopen'
/** Clients, and all listeners, whatever their sockets say. */
const BOTH = 0x403

const ip = (...args: string[]): void => {
  const { exitCode, stderr } = Bun.spawnSync([requireTool('ip'), ...args])
  if (exitCode !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}
/** A counter of the kernel. */
const kernel = (name: string): number => {
  const [names, values] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  return Number(values![names!.indexOf(name)])
}

describeE2e(import.meta.path, 'Fast Open with the kernel', () => {
  let server: Server
  const before = readFileSync(FASTOPEN, 'utf8')
  const program = Bun.spawn([process.execPath, 'test/e2e/support/fastopen-client.ts'], {
    cwd: root,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const said = program.stdout.getReader()
  const read = async (): Promise<string> => new TextDecoder().decode((await said.read()).value)
  const ask = async (text: string): Promise<string> => {
    program.stdin.write(`${text}\n`)
    await program.stdin.flush()
    return read()
  }

  beforeAll(async () => {
    writeFileSync(FASTOPEN, `${BOTH}`)
    expect(await read()).toBe('ready\n')
    ip('addr', 'add', `${ADDRESS}/24`, 'dev', 'soft0')
    server = createServer((socket) => void socket.pipe(socket))
    await new Promise<void>((done) => server.listen(PORT, ADDRESS, done))
  })
  afterAll(() => {
    server?.close()
    program.kill()
    writeFileSync(FASTOPEN, before)
  })

  test('the first connection asks for a cookie, the next ones bring text', async () => {
    const [asked, taken] = [kernel('TCPFastOpenCookieReqd'), kernel('TCPFastOpenPassive')]
    expect(await ask('first')).toBe('first\n')
    expect(kernel('TCPFastOpenCookieReqd') - asked).toBe(1)
    expect(kernel('TCPFastOpenPassive') - taken).toBe(0)
    for (const text of ['second', 'third']) expect(await ask(text)).toBe(`${text}\n`)
    expect(kernel('TCPFastOpenPassive') - taken).toBe(2)
    expect(kernel('TCPFastOpenCookieReqd') - asked).toBe(1)
  })
  test('a server that does not take it any more gets the text once the handshake is over', async () => {
    writeFileSync(FASTOPEN, '0')
    const taken = kernel('TCPFastOpenPassive')
    expect(await ask('fourth')).toBe('fourth\n')
    expect(kernel('TCPFastOpenPassive') - taken).toBe(0)
  })
  test('a program whose input has ended closes its stack and ends by itself', async () => {
    await program.stdin.end()
    expect(await program.exited).toBe(0)
  })
})
