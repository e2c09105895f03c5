// Sockets of datagrams by the calls of socket(2): what they answer the kernel is asked as well (test/e2e/calls.test.ts); here is
// when they answer, and what they leave behind.

import { afterEach, describe, expect, test } from 'bun:test'
import {
  IP_RECVERR,
  IP_RECVTTL,
  IP_TTL,
  IPPROTO_IP,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  SO_MARK,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
  UDP_SEGMENT,
} from '../../../core/socket/socket-constants.ts'
import { IPPROTO_UDP } from '../../../core/wire/ipproto.ts'
import type { AppMessageSocket } from '../../../workers/app/message-socket.ts'
import { createNetwork } from '../../../workers/library/network.ts'
import { virtualTime } from '../../../workers/library/time.ts'
import { codeOf, createFakeHost, type FakeHost, text, until } from '../../support/fake-host.ts'

describe('between hosts', () => {
  const closers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
  })
  /** The clock of the day, of virtual time. */
  const DAY_US = 1_700_000_000_250_000
  const twoHosts = async () => {
    const time = virtualTime()
    const realtimeUs = (): number => DAY_US + time.nowUs()
    const network = createNetwork({ time: { ...time, realtimeUs } })
    closers.push(network.close)
    const link = (n: number) => ({ link: [{ ifname: 'eth0', addresses: [`10.0.0.${n}/24`] }] })
    const a = await network.host('a', link(1))
    const b = await network.host('b', link(2))
    await network.wire([a, 'eth0'], [b, 'eth0'])
    await time.run(3000)
    const sockets = { from: await a.message.createSocket(), to: await b.message.createSocket() }
    return { time, a, b, ...sockets }
  }

  test('who waits gets the message, and what it says of itself', async () => {
    const { time, from, to } = await twoHosts()
    await to.bind('0.0.0.0', 53)
    expect(await to.getsockname()).toEqual({ address: '0.0.0.0', family: 'IPv4', port: 53 })
    await to.setOption(IPPROTO_IP, IP_RECVTTL, 1)
    const waits = [to.recvmsg(100), to.recvmsg(3)]
    const ttl = { level: IPPROTO_IP, type: IP_TTL, data: Uint8Array.of(7, 0, 0, 0) }
    const address = { address: '10.0.0.2', port: 53 }
    expect(await from.sendmsg(text('hello'), { to: address, control: [ttl] })).toBe(5)
    expect(await from.sendmsg(text('again'), { to: address })).toBe(5)
    const [first, second] = await time.until(Promise.all(waits))
    expect(String(first!.data)).toBe('hello')
    expect(first!.from.address).toBe('10.0.0.1')
    expect(first!.control).toEqual([{ ...ttl, data: Buffer.from([7, 0, 0, 0]) }])
    // MSG_TRUNC: it did not fit
    expect([String(second!.data), second!.length, second!.flags]).toEqual(['aga', 3, 0x20])
    expect(second!.control[0]!.data[0]).toBe(64)
  })
  test.each([
    ['SO_TIMESTAMP', SO_TIMESTAMP, 1, 20],
    // longer than differences of the stack's microseconds are right
    ['SO_TIMESTAMPNS', SO_TIMESTAMPNS, 1000, 2_200_000],
  ])('%s tells when a datagram came, however late it is read', async (_, option, scale, lateMs) => {
    const { time, from, to } = await twoHosts()
    await to.bind('0.0.0.0', 53)
    await to.setOption(SOL_SOCKET, option, 1)
    const sent = time.nowUs()
    await from.sendmsg(text('now'), { to: { address: '10.0.0.2', port: 53 } })
    await time.run(20)
    const come = time.nowUs()
    await time.run(lateMs)
    const { control } = await to.recvmsg(9)
    const [{ level, type, data }] = control as [(typeof control)[0]]
    expect([level, type, data.length]).toEqual([SOL_SOCKET, option, 16])
    const told = Buffer.from(data)
    const us = Number(told.readBigInt64LE(0)) * 1e6 + Number(told.readBigInt64LE(8)) / scale
    expect(us - DAY_US).toBeGreaterThan(sent - 1000)
    expect(us - DAY_US).toBeLessThan(come + 1000)
  })
  test.each([
    ['whole by a device that cuts them', true, [2508]],
    ['cut before a device that does not', false, [1008, 1008, 508]],
  ])('many datagrams of one call go %s', async (_, cuts, lengths) => {
    const { time, a, b, from, to } = await twoHosts()
    const features = { 'tx-udp-segmentation': cuts }
    const change = { type: 'ETHTOOL_MSG_FEATURES_SET', ifname: 'eth0', features } as const
    expect((await a.control.request(change)).error).toBe(0)
    const frames: number[] = []
    const ear = b.raw.createSocket({ family: 'packet', type: 'dgram', protocol: 0x0800 })
    ear.on('message', (bytes: Buffer) => frames.push(bytes.length - 20))
    await to.bind('0.0.0.0', 53)
    await from.setOption(IPPROTO_UDP, UDP_SEGMENT, 1000)
    expect(
      await from.sendmsg(new Uint8Array(2500), { to: { address: '10.0.0.2', port: 53 } })
    ).toBe(2500)
    await time.run(20)
    expect(frames).toEqual(lengths)
    // to who has not asked for UDP_GRO they are datagrams
    for (const length of [1000, 1000, 500])
      expect((await to.recvmsg(9000, MSG_DONTWAIT)).length).toBe(length)
  })
  test('an error of ICMP ends a wait, and is told in full by the error queue', async () => {
    const { time, from } = await twoHosts()
    await from.setOption(IPPROTO_IP, IP_RECVERR, 1)
    const failed = codeOf(from.recvmsg(100))
    await from.sendmsg(text('anyone?'), { to: { address: '10.0.0.2', port: 9 } })
    expect(await time.until(failed)).toBe('recvmsg ECONNREFUSED')
    const { data, from: whom, flags, control } = await from.recvmsg(100, MSG_ERRQUEUE)
    expect([String(data), whom.address, whom.port, flags]).toEqual([
      'anyone?',
      '10.0.0.2',
      9,
      MSG_ERRQUEUE,
    ])
    const { level, type, data: told } = control[0]!
    expect([level, type, told[0], told[4]]).toEqual([IPPROTO_IP, IP_RECVERR, 111, 2])
    // the error queue never waits
    expect(await codeOf(from.recvmsg(100, MSG_ERRQUEUE))).toBe('recvmsg EAGAIN')
  })
})

describe('on workers', () => {
  let host: FakeHost
  afterEach(() => host.stop())
  const open = async (): Promise<AppMessageSocket> => {
    host = createFakeHost()
    return host.app.message.createSocket()
  }
  const pools = () =>
    [...host.workers.map(({ skbs }) => skbs), host.app.skbs].map((each) => each.available())

  test('a socket that is closed answers whoever waits, and leaves nothing behind', async () => {
    const socket = await open()
    const before = pools()
    await socket.bind('0.0.0.0', 53)
    expect(await codeOf(socket.recvmsg(9, MSG_DONTWAIT))).toBe('recvmsg EAGAIN')
    const waits = codeOf(socket.recvmsg(9))
    expect(await socket.sendmsg(text('x'), { to: { address: '10.0.0.2', port: 9 } })).toBe(1)
    socket.close()
    expect(await waits).toBe('recvmsg EBADF')
    expect(await codeOf(socket.sendmsg(text('x')))).toBe('sendmsg EBADF')
    await until(() => host.app.inUse() === 0, 'giving sids back')
    expect(pools()).toEqual(before)
    expect(host.workers.map(({ slab }) => slab.live())).toEqual([0, 0])
  })
  test('what is too long, or no address, is refused at once', async () => {
    const socket = await open()
    expect(await codeOf(socket.sendmsg(new Uint8Array(70_000)))).toBe('sendmsg EMSGSIZE')
    const to = { address: 'nobody' }
    expect(await codeOf(socket.sendmsg(text('x'), { to }))).toBe('sendmsg EINVAL')
    expect(await codeOf(host.app.message.createSocket({ protocol: 999 }))).toBe('socket EINVAL')
  })
  test('a socket whose worker starts over is made again at the port that was chosen', async () => {
    const socket = await open()
    for (const mark of [1, 2, 3]) await socket.setOption(SOL_SOCKET, SO_MARK, mark)
    await socket.bind('0.0.0.0')
    const { port } = await socket.getsockname()
    const waits = socket.recvmsg(9)
    await socket.getsockname()
    host.restart(0)
    await until(() => host.workers[0]!.udp.arrive(port, datagram), 'binding again')
    expect([...(await waits).data]).toEqual([1, 2])
    expect(await socket.getOption(SOL_SOCKET, SO_MARK)).toBe(3)
  })
  const datagram = { data: Uint8Array.of(1, 2), addr: 0x0a000002, port: 9 }
})
