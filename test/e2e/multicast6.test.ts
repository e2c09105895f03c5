// IPv6 groups beside the Linux kernel: a host behind softnet that joins a group of one source gets that one, and one that joins
// it of all gets all; the kernel speaks MLDv2.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { MrouteItem } from '../../core/control/text/messages.ts'
import { startIn, toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import type { Topology } from './support/topology.ts'
import { A6, createTopology6 } from './support/topology6.ts'

const GROUP = 'ff1e::1:2:3'
const OTHER_SOURCE = '2001:db8:1::77'
const PORT = 5000

/** Joins a group, from one source where there is one, and prints what it hears until it hears the last word. */
const LAST = 'that is all'
const LISTEN = `
const [group, port, source] = process.argv.slice(1)
const socket = require('node:dgram').createSocket({ type: 'udp6', reuseAddr: true })
socket.on('message', (data) => {
  if (String(data) === '${LAST}\\n') socket.close()
  else process.stdout.write(data)
})
socket.bind(Number(port), () => {
  if (source) socket.addSourceSpecificMembership(source, group, '::%eth0')
  else socket.addMembership(group, '::%eth0')
})
`
const SEND = `
const [group, port, from, word] = process.argv.slice(1)
const socket = require('node:dgram').createSocket('udp6')
socket.bind(0, from, () => {
  socket.setMulticastInterface('::%eth0')
  socket.setMulticastTTL(8)
  socket.send(word + '\\n', Number(port), group, () => socket.close())
})
`
const until = async (what: string, done: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen`)
    await Bun.sleep(20)
  }
}

describeE2e(import.meta.path, 'IPv6 multicast', () => {
  let net: Topology

  beforeAll(async () => {
    net = await createTopology6()
    for (const ifname of ['lan0', 'lan1'])
      await net.daemon.must('PUT', `/v1/links/${ifname}/mvif`, {
        role: 'downstream',
        family: 'inet6',
      })
    await toolIn(net.a, 'ip', ['addr', 'add', `${OTHER_SOURCE}/64`, 'dev', 'eth0', 'nodad'])
  })
  afterAll(() => net?.close())

  const node = (script: string, ...args: string[]): string[] => [
    process.execPath,
    '-e',
    script,
    ...args,
  ]
  const send = async (from: string, word: string): Promise<void> => {
    await startIn(net.a, node(SEND, GROUP, `${PORT}`, from, word)).result
  }
  const sendAll = async (): Promise<void> => {
    for (const from of [A6, OTHER_SOURCE]) await send(from, from)
  }
  /** By which devices what each source sends goes on. */
  const ways = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await net.daemon.list<MrouteItem>('/v1/mroutes'))
        .filter(({ dst }) => dst === GROUP)
        .map(({ src, multipath }) => [src, multipath.map(({ oif }) => oif).join()])
    )
  const heardBy = async (source: string | null, expected: Record<string, string>) => {
    const receiver = startIn(net.b, node(LISTEN, GROUP, `${PORT}`, ...(source ? [source] : [])))
    await until('joining', async () => {
      await sendAll()
      return Bun.deepEquals(await ways(), expected)
    })
    await sendAll()
    await send(OTHER_SOURCE, LAST)
    const { out } = await receiver.result
    return [...new Set(out.trim().split('\n'))].sort()
  }

  test('who joins a group of one source gets that one, and nothing else comes to its link', async () => {
    const expected = { [A6]: '', [OTHER_SOURCE]: 'lan1' }
    expect(await heardBy(OTHER_SOURCE, expected)).toEqual([OTHER_SOURCE])
    await until('leaving', async () => {
      await sendAll()
      return (await ways())[OTHER_SOURCE] === ''
    })
  }, 60_000)

  test('who joins it of all gets all', async () => {
    const expected = { [A6]: 'lan1', [OTHER_SOURCE]: 'lan1' }
    expect(await heardBy(null, expected)).toEqual([A6, OTHER_SOURCE].sort())
    expect(await net.daemon.nstat('Icmp6InMLDv2Reports')).toBeGreaterThan(0)
  }, 60_000)
})
