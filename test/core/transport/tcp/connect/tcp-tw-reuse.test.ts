// A new connection in the place of one in TIME_WAIT: when it may, and what it takes over.

import { describe, expect, test } from 'bun:test'
import { SK_DADDR, SK_STATE, TCP_SYN_SENT, TCP_TIME_WAIT } from '../../../../../core/socket/sock.ts'
import { createTcpTwReuse } from '../../../../../core/transport/tcp/connect/tcp-tw-reuse.ts'
import { TP_SND_ISN, TP_SND_NXT } from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { address, FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const EADDRNOTAVAIL = 99
const STAMPED = { mss: 1460, ts: [500, 0] as [number, number] }

/** A host with one local port, whose connection from there is in TIME_WAIT. */
const inTimeWait = (family: number, extras = STAMPED, mode = 1) => {
  const script = createTcpScript(family)
  const { host, peer, inject, take, portOf, pass } = script
  host.setSysctl('tcp_tw_reuse', mode)
  host.setSysctl('ip_local_port_range_min', 40_000)
  host.setSysctl('ip_local_port_range_max', 40_000)
  const old = script.dialed(extras)
  const port = portOf(old)
  host.tcp.close(old)
  take()
  const ts = extras.ts === undefined ? {} : { ts: [600, 0] as [number, number] }
  inject('F. 1:1(0) ack 2', ts)
  take()
  expect(host.i32[old + SK_STATE]).toBe(TCP_TIME_WAIT)
  expect(port).toBe(40_000)
  /** Connects anew to the same peer: 0, or the errno. */
  const again = (bound = false): [errno: number, sk: number] => {
    const sk = host.tcp.open(family)
    if (bound) {
      host.sockets.setsockopt(sk, 1, 2, 1)
      expect(host.tcp.bind(sk, new Int32Array(4), 0, 40_000)).toBe(0)
    }
    const err = host.tcp.connect(sk, address(family, 2), 0, peer.port)
    return [err === -115 ? 0 : -err, sk]
  }
  const finish = (...socks: number[]): void => {
    for (const sk of socks) {
      host.tcp.abort(sk)
      host.tcp.close(sk)
    }
    pass(200_000)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
  return { ...script, old, again, finish }
}

describe.each(FAMILIES)('%s', (_, family) => {
  test('takes the port of one that has been there for a second', () => {
    const it = inTimeWait(family)
    const [tooSoon, first] = it.again()
    expect(tooSoon).toBe(EADDRNOTAVAIL)
    it.pass(1001)
    const [err, sk] = it.again()
    expect(err).toBe(0)
    expect(it.host.i32[sk + SK_STATE]).toBe(TCP_SYN_SENT)
    expect(it.host.mib('TcpExtTWRecycled')).toBe(1)
    expect(it.host.mib('TcpExtTW')).toBe(0)
    // it goes on from the old one's numbers and echoes its stamp
    const [syn] = it.take()
    expect(syn!.tsecr).toBe(600)
    it.finish(first, sk)
  })
  test('its sequence numbers lie beyond the old ones', () => {
    const it = inTimeWait(family)
    const end = it.host.i32[it.old + TP_SND_NXT]!
    it.pass(1001)
    const [, sk] = it.again()
    expect(it.host.i32[sk + TP_SND_ISN]).toBe((end + 65537) | 0)
    it.finish(sk)
  })
  test('with tcp_tw_reuse 2 peers on this host give way', () => {
    const it = inTimeWait(family, STAMPED, 2)
    const { arena, time, i32 } = it.host
    const { mayReplace } = createTcpTwReuse({ arena, time, life: { twEnd: () => {} } })
    it.pass(1001)
    const peer = i32.slice(it.old + SK_DADDR, it.old + SK_DADDR + 4)
    const asPeer = (words: number[]): boolean => {
      i32.set(words, it.old + SK_DADDR)
      return mayReplace(it.old, false)
    }
    expect(asPeer([0, 0, 0xffff, 0x7f010203])).toBe(true)
    expect(asPeer([0, 0, 0, 1])).toBe(true)
    expect(asPeer([0, 0, 0, 2])).toBe(false)
    expect(asPeer([0, 0, 0xffff, 0x80000001 | 0])).toBe(false)
    i32.set(peer, it.old + SK_DADDR)
    it.finish()
  })
  test.each([
    ['tcp_tw_reuse is 0', STAMPED, 0],
    ['it is 2, and the peer is another host', STAMPED, 2],
    ['there are no timestamps', { mss: 1460 } as typeof STAMPED, 1],
  ])('not when %s', (_what, extras, mode) => {
    const it = inTimeWait(family, extras, mode)
    it.pass(2000)
    const [err, sk] = it.again()
    expect(err).toBe(EADDRNOTAVAIL)
    expect(it.host.mib('TcpExtTWRecycled')).toBe(0)
    it.finish(sk)
  })
  test('waits as long as tcp_tw_reuse_delay says', () => {
    const it = inTimeWait(family)
    it.host.setSysctl('tcp_tw_reuse_delay', 5000)
    it.pass(5000)
    const [early, first] = it.again()
    it.pass(1)
    const [err, sk] = it.again()
    expect([early, err]).toEqual([EADDRNOTAVAIL, 0])
    it.finish(first, sk)
  })
  test('a socket that is bound to the port may at once, whatever the switch says', () => {
    const it = inTimeWait(family, STAMPED, 0)
    it.host.sockets.setsockopt(it.old, 1, 2, 1)
    const [err, sk] = it.again(true)
    expect(err).toBe(0)
    expect(it.host.mib('TcpExtTWRecycled')).toBe(1)
    it.finish(sk)
  })
})
