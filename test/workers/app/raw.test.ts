// Raw, ping and packet sockets of applications: over the rings of a network's hosts, whose time is turned by hand.

import { afterEach, describe, expect, test } from 'bun:test'
import { createNetwork } from '../../../workers/library/network.ts'
import { virtualTime } from '../../../workers/library/time.ts'
import {
  IP_RECVTTL,
  IP_TTL,
  IPPROTO_IP,
  SO_ATTACH_FILTER,
  SOL_RAW,
  SOL_SOCKET,
} from '../../../core/socket/socket-constants.ts'
import type { AppRaw, FrameInfo } from '../../../workers/app/raw.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})
const OTHER = 253
const twoHosts = async () => {
  const time = virtualTime()
  const network = createNetwork({ time })
  closers.push(network.close)
  const link = (n: number) => [
    {
      ifname: 'eth0',
      address: `02:00:00:00:00:0${n}`,
      addresses: [`10.0.0.${n}/24`, `fd00::${n}/64`],
    },
  ]
  const a = await network.host('a', { link: link(1) })
  const b = await network.host('b', { link: link(2) })
  await network.wire([a, 'eth0'], [b, 'eth0'])
  await time.run(3000)
  return { time, a, b }
}
/** What a socket hears, in order. */
const ear = (socket: AppRaw) => {
  const heard: [Buffer, unknown][] = []
  const errors: string[] = []
  socket.on('message', (bytes: Buffer, from: unknown) => heard.push([bytes, from]))
  socket.on('error', (error: { code: string; syscall: string }) =>
    errors.push(`${error.syscall} ${error.code}`)
  )
  return { heard, errors }
}

test('a raw socket carries a protocol of its own', async () => {
  const { time, a, b } = await twoHosts()
  const from = a.raw.createSocket({ protocol: OTHER })
  const to = b.raw.createSocket({ protocol: OTHER })
  const { heard } = ear(to)
  const sent: (number | string)[] = []
  from.send(Buffer.from('hello'), '10.0.0.2', (error: Error | null, bytes: number) =>
    sent.push(error?.message ?? bytes)
  )
  // as raw-socket has it: offset and length
  from.send(Buffer.from('xxworldxx'), 2, 5, '10.0.0.2', () => {})
  from.send(Buffer.from('lost'), '192.0.2.1', (error: Error | null) =>
    sent.push(error?.message ?? '')
  )
  await time.run(100)
  expect(heard.map(([bytes, source]) => [String(bytes.subarray(20)), source])).toEqual([
    ['hello', '10.0.0.1'],
    ['world', '10.0.0.1'],
  ])
  expect(sent).toEqual([5, 'send ENETUNREACH'])
  expect(() => from.send(Buffer.from('x'), 'fd00::2')).toThrow('EINVAL')
})

test.each([
  ['IPv4', '10.0.0.2', 8, 0],
  ['IPv6', 'fd00::2', 128, 129],
] as const)(
  'a ping socket of %s hears the answers to its own requests',
  async (family, address, echo, reply) => {
    const { time, a } = await twoHosts()
    const sockets = [1, 2].map(() => a.raw.createSocket({ family, type: 'dgram' }))
    const ears = sockets.map(ear)
    for (const [k, socket] of sockets.entries())
      for (const seq of [1, 2]) {
        const request = Buffer.alloc(16, k)
        request.set([echo, 0, 0, 0, 0, 0, 0, seq])
        socket.send(request, address)
      }
    await time.run(100)
    for (const [k, { heard, errors }] of ears.entries()) {
      expect(heard.map(([bytes, from]) => [bytes[0], bytes[7], bytes[8], from])).toEqual([
        [reply, 1, k, address],
        [reply, 2, k, address],
      ])
      expect(errors).toEqual([])
    }
  }
)

describe('a packet socket', () => {
  test('sees frames both ways and sends its own', async () => {
    const { time, a, b } = await twoHosts()
    const tap = b.raw.createSocket({ family: 'packet' }).bind({ device: 'eth0', protocol: 3 })
    const from = a.raw.createSocket({ family: 'packet', type: 'dgram', protocol: 0x88b5 })
    const { heard } = ear(tap)
    await time.run(1)
    from.send(Buffer.alloc(50, 7), { device: 'eth0', mac: '02:00:00:00:00:02' })
    await time.run(100)
    const mine = heard.filter(([, info]) => (info as FrameInfo).protocol === 0x88b5)
    expect(mine.map(([bytes, info]) => [bytes.length, bytes[14], info])).toEqual([
      [64, 7, { address: '02:00:00:00:00:01', device: 'eth0', protocol: 0x88b5, pkttype: 0 }],
    ])
    expect(() => from.send(Buffer.alloc(50), { device: 'eth9' })).toThrow('ENODEV')
  })

  test('takes a filter', async () => {
    const { time, a, b } = await twoHosts()
    const words = Uint32Array.of(0x30, 0, 0x15 | (1 << 24), 9, 0x06, 0x40000, 0x06, 0)
    const to = b.raw
      .createSocket({ family: 'packet', type: 'dgram', protocol: 0x88b5 })
      .setOption(SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(words.buffer))
    const from = a.raw.createSocket({ family: 'packet', type: 'dgram', protocol: 0x88b5 })
    const { heard, errors } = ear(to)
    await time.run(1)
    for (const first of [8, 9, 10])
      from.send(Buffer.alloc(46, first), { device: 'eth0', mac: '02:00:00:00:00:02' })
    await time.run(100)
    expect(heard.map(([bytes]) => bytes[0])).toEqual([9])
    expect(errors).toEqual([])
  })
})

test('tells beside a packet what it was asked to tell', async () => {
  const { time, a, b } = await twoHosts()
  const to = b.raw.createSocket({ protocol: OTHER }).setOption(IPPROTO_IP, IP_RECVTTL, 1)
  const told: unknown[] = []
  to.on('message', (_bytes, _from, _port, beside) => told.push(beside))
  a.raw.createSocket({ protocol: OTHER }).send(Buffer.from('hello'), '10.0.0.2')
  await time.run(100)
  const control = [{ level: IPPROTO_IP, type: IP_TTL, data: Buffer.from([64, 0, 0, 0]) }]
  expect(told).toEqual([{ flags: 0, control }])
})

test('what is refused ends the socket with an error', async () => {
  const { time, a } = await twoHosts()
  const refused = [
    a.raw.createSocket({ protocol: 0 }),
    a.raw.createSocket({ protocol: OTHER }).bind('10.0.0.77'),
    a.raw.createSocket({ protocol: OTHER }).setOption(SOL_RAW, 1, 1),
    a.raw.createSocket({}).setOption(SOL_SOCKET, SO_ATTACH_FILTER, Uint8Array.of(1)),
  ].map(ear)
  await time.run(10)
  expect(refused.map(({ errors }) => errors)).toEqual([
    ['socket EPROTONOSUPPORT'],
    ['bind EADDRNOTAVAIL'],
    ['setsockopt EOPNOTSUPP'],
    ['setsockopt EINVAL'],
  ])
})
