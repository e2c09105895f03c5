// Acknowledgements of what lies behind a hole wait for one another, and are counted; the sequence is test/scripts/linux-compressed-ack.pkt.
import { describe, expect, test } from 'bun:test'
import { TCP_QUICKACK } from '../../../../../core/socket/socket-constants.ts'
import { TP_RCV_RTT_US, TP_SRTT_US } from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

describe.each(FAMILIES)('%s', (_name, family) => {
  /** A connection whose peer is so many milliseconds away. */
  const start = (rttMs: number) => {
    const script = createTcpScript(family, {})
    const { host, establish, inject, sent } = script
    const sk = establish({ sackOk: true })
    host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_QUICKACK, 0)
    host.i32[sk + TP_RCV_RTT_US] = rttMs * 1000 * 8
    host.i32[sk + TP_SRTT_US] = rttMs * 1000 * 8
    const behindHole = (n: number): number => {
      for (let k = 1; k <= n; k++) inject(`. ${k}001:${k + 1}001(1000) ack 1 win 65535`)
      return sent().length
    }
    const finish = (): void => {
      host.sockets.abort(sk)
      host.sockets.close(sk)
      expect(host.leaks()).toEqual(NO_LEAKS)
    }
    return { ...script, behindHole, finish }
  }

  test('the fourth waits a millisecond for others, which are counted', () => {
    const { host, behindHole, sent, pass, finish } = start(100)
    expect(behindHole(6)).toBe(3)
    pass(2000)
    expect(sent()).toEqual(['. 1:1(0) ack 1 <sack 1001:7001>'])
    expect(host.mib('TcpExtTCPAckCompressed')).toBe(2)
    pass(10_000)
    expect(sent()).toEqual([])
    finish()
  })
  test('no more of them than net.ipv4.tcp_comp_sack_nr', () => {
    const { host, behindHole, sent, pass, finish } = start(100)
    host.setSysctl('tcp_comp_sack_nr', 2)
    expect(behindHole(6)).toBe(4)
    expect(host.mib('TcpExtTCPAckCompressed')).toBe(2)
    pass(10_000)
    expect(sent()).toEqual([])
    finish()
  })
  test.each([
    ['of a near peer', 4, 1_000_000],
    ['where they may take no time', 100, 0],
  ])('those %s wait until the worker has nothing else to do', (_, rttMs, delayNs) => {
    const { host, behindHole, sent, pass, finish } = start(rttMs)
    host.setSysctl('tcp_comp_sack_delay_ns', delayNs)
    expect(behindHole(6)).toBe(3)
    expect(host.tcp.sendCompressed()).toBe(1)
    expect(sent()).toEqual(['. 1:1(0) ack 1 <sack 1001:7001>'])
    expect(host.mib('TcpExtTCPAckCompressed')).toBe(2)
    expect(host.tcp.sendCompressed()).toBe(0)
    pass(10_000)
    expect(sent()).toEqual([])
    finish()
  })
  test('but not for longer than a millisecond', () => {
    const { host, behindHole, sent, pass, finish } = start(4)
    expect(behindHole(5)).toBe(3)
    pass(2000)
    expect(sent()).toEqual(['. 1:1(0) ack 1 <sack 1001:6001>'])
    expect(host.tcp.sendCompressed()).toBe(1)
    expect(sent()).toEqual([])
    finish()
  })
  test('who has gone by then has none to send', () => {
    const { host, behindHole, inject, sent, finish } = start(4)
    expect(behindHole(4)).toBe(3)
    inject('R. 1:1(0) ack 1 win 0')
    finish()
    host.tcp.sendCompressed()
    expect(sent()).toEqual([])
  })
  test('what fills the hole tells of all', () => {
    const { host, behindHole, inject, sent, pass, finish } = start(100)
    expect(behindHole(4)).toBe(3)
    inject('. 1:1001(1000) ack 1 win 65535')
    expect(sent()).toEqual(['. 1:1(0) ack 5001'])
    expect(host.mib('TcpExtTCPAckCompressed')).toBe(1)
    pass(10_000)
    expect(sent()).toEqual([])
    finish()
  })
  test('a socket that is reset has none to send', () => {
    const { behindHole, inject, sent, pass, finish } = start(100)
    expect(behindHole(4)).toBe(3)
    inject('R. 1:1(0) ack 1 win 0')
    pass(10_000)
    expect(sent()).toEqual([])
    finish()
  })
})
