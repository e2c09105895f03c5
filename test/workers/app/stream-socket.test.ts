// Streams by the calls of socket(2): what they answer the kernel is asked as well (test/e2e/calls.test.ts); here is when they answer,
// and what they leave behind.

import { afterEach, describe, expect, test } from 'bun:test'
import { CMSG_HEADER } from '../../../core/socket/msg/cmsg.ts'
import {
  IP_PKTOPTIONS,
  IP_RECVERR,
  IP_RECVTTL,
  IP_TTL,
  IPPROTO_IP,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_CONGESTION,
} from '../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../core/wire/ipproto.ts'
import { createNetwork } from '../../../workers/library/network.ts'
import { virtualTime } from '../../../workers/library/time.ts'
import { codeOf, createFakeHost, type FakeHost, text, until } from '../../support/fake-host.ts'
import { NLM_F_CREATE } from '../../../core/control/nlm-flags.ts'

describe('between hosts', () => {
  const closers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
  })
  /** Two hosts, and a router between them. */
  const threeHosts = async () => {
    const time = virtualTime()
    const network = createNetwork({ time })
    closers.push(network.close)
    const host = (n: number) => ({ link: [{ ifname: 'eth0', addresses: [`10.0.${n}.1/24`] }] })
    const a = await network.host('a', host(1))
    const b = await network.host('b', host(2))
    const router = await network.host('router', {
      link: [
        { ifname: 'eth0', addresses: ['10.0.1.254/24'] },
        { ifname: 'eth1', addresses: ['10.0.2.254/24'] },
      ],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    })
    await network.wire([a, 'eth0'], [router, 'eth0'])
    await network.wire([b, 'eth0'], [router, 'eth1'])
    await time.run(3000)
    const way = { type: 'RTM_NEWROUTE', flags: NLM_F_CREATE } as const
    for (const [n, end] of [a, b].entries()) {
      const route = { dst: 'default', gateway: `10.0.${n + 1}.254` }
      expect((await end.control.request({ ...way, route })).error).toBe(0)
    }
    return { time, a, b, router }
  }
  const connected = async () => {
    const hosts = await threeHosts()
    const { time, a, b } = hosts
    const [listener, client] = [await b.message.createStream(), await a.message.createStream()]
    await listener.bind('0.0.0.0', 80)
    await listener.setOption(IPPROTO_IP, IP_RECVTTL, 1)
    await listener.listen(4)
    const accepts = listener.accept()
    await time.until(client.connect('10.0.2.1', 80))
    return { ...hosts, listener, client, server: await time.until(accepts) }
  }

  test('who does not wait for a connection is told of its end by the next call, once', async () => {
    const { time, a } = await threeHosts()
    const client = await a.message.createStream()
    const connects = (flags = 0) => codeOf(client.connect('10.0.2.1', 9, { flags }))
    expect(await connects(MSG_DONTWAIT)).toBe('connect EINPROGRESS')
    expect(await connects(MSG_DONTWAIT)).toBe('connect EALREADY')
    await time.run(100)
    const sends = () => codeOf(client.sendmsg(text('hello')))
    expect([await sends(), await sends()]).toEqual(['sendmsg ECONNREFUSED', 'sendmsg EPIPE'])
    expect(await connects(MSG_DONTWAIT)).toBe('connect ECONNABORTED')
    expect(await connects(MSG_DONTWAIT)).toBe('connect EINPROGRESS')
    // one that waits goes on with what another has begun
    expect(await time.until(connects())).toBe('connect ECONNREFUSED')
  })
  test('who waits gets the connection, its text, and its end', async () => {
    const { time, client, server } = await connected()
    expect(await server.getpeername()).toMatchObject({ address: '10.0.1.1' })
    const waits = server.recvmsg(100)
    expect(await client.sendmsg(text('hello'))).toBe(5)
    expect(String((await time.until(waits)).data)).toBe('hello')
    const ends = server.recvmsg(100)
    await client.shutdown(1)
    expect((await time.until(ends)).length).toBe(0)
    expect(await server.getOptionBytes(IPPROTO_TCP, TCP_CONGESTION)).toHaveLength(16)
    const kept = await server.getOptionBytes(IPPROTO_IP, IP_PKTOPTIONS)
    const [level, type, length, ttl] = new Int32Array(Uint8Array.from(kept).buffer)
    expect([level, type, length, ttl]).toEqual([IPPROTO_IP, IP_TTL, 4, 63])
    expect(kept).toHaveLength((CMSG_HEADER + 1) * 4)
  })
  test('who sends waits for room, and is told how much was taken', async () => {
    const { time, client, server } = await connected()
    await client.setOption(SOL_SOCKET, SO_SNDBUF, 1)
    const all = 1 << 20
    let sent = 0
    const sending = (async () => {
      while (sent < all) sent += await client.sendmsg(new Uint8Array(Math.min(60_000, all - sent)))
    })()
    await time.run(5000)
    expect(sent).toBeLessThan(all)
    expect(await codeOf(client.sendmsg(text('x'), { flags: MSG_DONTWAIT }))).toBe('sendmsg EAGAIN')
    let got = 0
    const reading = (async () => {
      while (got < all) got += (await server.recvmsg(65_536)).length
    })()
    await time.until(Promise.all([sending, reading]))
    expect(got).toBe(all)
  })
  test('what ICMP says of an attempt is told in full by the error queue', async () => {
    const { time, a, router } = await threeHosts()
    const route = { dst: '10.0.2.1', type: 'prohibit' } as const
    const message = { type: 'RTM_NEWROUTE', flags: NLM_F_CREATE, route } as const
    expect((await router.control.request(message)).error).toBe(0)
    const client = await a.message.createStream()
    await client.setOption(IPPROTO_IP, IP_RECVERR, 1)

    expect(await time.until(codeOf(client.connect('10.0.2.1', 80)))).toBe('connect EHOSTUNREACH')
    const { data, from, flags, control } = await client.recvmsg(100, MSG_ERRQUEUE)
    expect([data.readUInt16BE(2), from.address, from.port, flags]).toEqual([
      80,
      '10.0.2.1',
      80,
      MSG_ERRQUEUE,
    ])
    const { level, type, data: told } = control[0]!
    expect([level, type, told[0], told[4]]).toEqual([IPPROTO_IP, IP_RECVERR, 113, 2])
    expect(await codeOf(client.recvmsg(100, MSG_ERRQUEUE))).toBe('recvmsg EAGAIN')
  })
  test('an attempt that fails says why, and the next may go well', async () => {
    const { time, a, listener } = await connected()
    const client = await a.message.createStream()
    expect(await time.until(codeOf(client.connect('10.0.2.1', 81)))).toBe('connect ECONNREFUSED')
    const accepts = listener.accept()
    expect(await time.until(codeOf(client.connect('10.0.2.1', 80)))).toBe('none')
    expect(await codeOf(client.connect('10.0.2.1', 80))).toBe('connect EISCONN')
    await time.until(accepts)
  })
})

describe('on workers', () => {
  let host: FakeHost
  afterEach(() => host.stop())
  const pools = () =>
    [...host.workers.map(({ skbs }) => skbs), host.app.skbs].map((each) => each.available())
  const listening = async () => {
    host = createFakeHost()
    const listener = await host.app.message.createStream()
    await listener.bind('0.0.0.0', 80)
    await listener.listen(8)
    return listener
  }

  test('a listener hears all workers, and leaves nothing behind', async () => {
    host = createFakeHost()
    const before = pools()
    const listener = await listening()
    expect(await codeOf(listener.accept(MSG_DONTWAIT))).toBe('accept EAGAIN')
    const waits = [listener.accept(), listener.accept()]
    for (const { tcp } of host.workers) tcp.connect(80).write(Uint8Array.of(1, 2, 3))
    host.kick()
    const children = await Promise.all(waits)
    for (const child of children) expect([...(await child.recvmsg(9)).data]).toEqual([1, 2, 3])
    const closed = codeOf(listener.accept())
    for (const socket of [...children, listener]) socket.close()
    expect(await closed).toBe('accept EBADF')
    await until(() => host.app.inUse() === 0, 'giving sids back')
    expect(pools()).toEqual(before)
    expect(host.workers.map(({ slab }) => slab.live())).toEqual([0, 0])
  })
  test('a worker that starts over has its listener again, and its connections are gone', async () => {
    const listener = await listening()
    const accepts = listener.accept()
    host.workers[0]!.tcp.connect(80)
    host.kick()
    const child = await accepts
    const waits = codeOf(child.recvmsg(9))
    await child.getsockname()
    host.restart(0)
    expect(await waits).toBe('recvmsg ECONNRESET')
    expect(await codeOf(child.sendmsg(text('x')))).toBe('sendmsg ECONNRESET')
    const again = listener.accept()
    await until(() => host.workers[0]!.tcp.listens(80), 'listening again')
    host.workers[0]!.tcp.connect(80)
    host.kick()
    expect(await (await again).getpeername()).toMatchObject({ address: '10.0.0.2' })
    child.close()
  })
})
