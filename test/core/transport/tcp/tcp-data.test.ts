import { CONGESTION_CONTROLS } from '../../../../core/transport/tcp/cong/tcp-cong-controls.ts'
import { reno } from '../../../../core/transport/tcp/cong/tcp-reno.ts'
import { describe, expect, test } from 'bun:test'
import {
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_RCVQ_HEAD,
  SK_RMEM,
  SK_STATE,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../../../../core/socket/sock.ts'
import {
  IP_TTL,
  SO_KEEPALIVE,
  SO_RCVBUF,
  IPPROTO_IP,
  MSG_TRUNC,
  SOL_SOCKET,
  TCP_CORK,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_QUICKACK,
  TCP_USER_TIMEOUT,
} from '../../../../core/socket/socket-constants.ts'
import { Errno } from '../../../../core/base/errno.ts'
import { IPPROTO_TCP } from '../../../../core/wire/ipproto.ts'
import {
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TP_CA_OPS,
  TP_CA_STATE,
  TP_OFO_LEN,
  TP_QUICK,
  TP_RCV_NXT,
  TP_REORDERING,
  TP_SACKED_OUT,
  TP_MIN_RTT_US,
  TP_SND_CWND,
  TP_SRTT_US,
  TP_SND_ISN,
} from '../../../../core/transport/tcp/sock/tcp-sock.ts'
import { CB_END_SEQ } from '../../../../core/transport/tcp/sock/tcp-cb.ts'
import { receiveWindow } from '../../../../core/transport/tcp/sock/tcp-wnd.ts'
import { Sysctl } from '../../../../core/shm/sysctl.ts'
import { FAMILIES, NO_LEAKS } from '../../../support/tcp-host.ts'
import { seeded } from '../../../support/random.ts'
import { createTcpPair, startTransfer } from '../../../support/tcp-pair.ts'
import { pattern } from '../../../../sim/net/pattern.ts'
import { createTcpScript } from '../../../support/tcp-script.ts'

describe.each(FAMILIES)('%s', (_name, family) => {
  const start = (extra = {}) => {
    const script = createTcpScript(family, extra)
    const { host } = script
    const finish = (...sockets: number[]): void => {
      for (const sk of sockets) host.tcp.close(sk)
      script.pass(2_400_000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    }
    return { ...script, finish }
  }
  const SACK = { mss: 1000, sackOk: true }

  test('MSG_TRUNC takes bytes without writing them anywhere', () => {
    const { host, establish, inject, finish } = start()
    const sk = establish()
    inject('P. 1:101(100) ack 1 win 65535')
    inject('P. 101:201(100) ack 1 win 65535')
    const into = new Uint8Array(300)
    expect(host.tcp.recvBytes(sk, into, 0, 150, MSG_TRUNC)).toBe(150)
    expect(into.every((octet) => octet === 0)).toBe(true)
    expect(host.tcp.recvBytes(sk, into, 0, 300)).toBe(50)
    for (let k = 0; k < 50; k++) expect(into[k]).toBe(pattern(150 + k))
    expect(host.tcp.recvBytes(sk, into, 0, 300, MSG_TRUNC)).toBe(-Errno.EAGAIN)
    expect(host.i32[sk + SK_RMEM]).toBe(0)
    finish(sk)
  })

  describe('small segments', () => {
    test('Nagle holds a second small segment until the first is acknowledged', () => {
      const { establish, inject, write, sent, finish } = start()
      const sk = establish()
      write(sk, 10)
      write(sk, 10)
      write(sk, 10)
      expect(sent()).toEqual(['P. 1:11(10) ack 1'])
      inject('. 1:1(0) ack 11 win 65535')
      expect(sent()).toEqual(['P. 11:31(20) ack 1'])
      finish(sk)
    })
    test.each([
      [1, ['P. 1:11(10) ack 1', 'P. 11:41(30) ack 1']],
      [0, ['P. 1:11(10) ack 1', 'P. 11:21(10) ack 1', 'P. 21:31(10) ack 1', 'P. 31:41(10) ack 1']],
    ])('with tcp_autocorking %d, what one turn writes while data is under way', (on, segments) => {
      const { host, establish, write, sent, finish } = start()
      host.setSysctl('tcp_autocorking', on)
      const sk = establish()
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_NODELAY, 1)
      for (let k = 0; k < 4; k++) write(sk, 10)
      expect(sent()).toEqual(segments)
      expect(host.mib('TcpExtTCPAutoCorking')).toBe(on)
      finish(sk)
    })
    test('TCP_NODELAY sends each at once', () => {
      const { host, establish, write, sent, finish } = start()
      const sk = establish()
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_NODELAY, 1)
      write(sk, 10)
      write(sk, 10)
      expect(sent()).toEqual(['P. 1:11(10) ack 1', 'P. 11:21(10) ack 1'])
      finish(sk)
    })
    test('TCP_CORK waits for a full segment, for 200 ms at most, or for the cork to come off', () => {
      const { host, establish, write, sent, pass, finish, inject } = start()
      const sk = establish({ mss: 1000 })
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_CORK, 1)
      write(sk, 400)
      expect(sent()).toEqual([])
      write(sk, 700)
      expect(sent()).toEqual(['. 1:1001(1000) ack 1'])
      inject('. 1:1(0) ack 1001 win 65535')
      expect(sent()).toEqual([])
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_CORK, 0)
      expect(sent()).toEqual(['P. 1001:1101(100) ack 1'])
      inject('. 1:1(0) ack 1101 win 65535')
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_CORK, 1)
      write(sk, 5)
      pass(1100)
      expect(sent().length).toBeGreaterThan(0)
      finish(sk)
    })
    test('MSG_MORE is a cork for one call', () => {
      const { establish, write, sent, finish } = start()
      const sk = establish()
      write(sk, 10, 0x8000)
      expect(sent()).toEqual([])
      write(sk, 10)
      expect(sent()).toEqual(['P. 1:21(20) ack 1'])
      finish(sk)
    })
    test('the receiver does not offer a silly window (RFC 9293 3.8.6.2.2)', () => {
      const { host, establish, inject, take, read, pass, finish } = start()
      const sk = establish({ mss: 1000 })
      let offset = 1
      // fill the window without reading
      for (let edge = 60_000; edge - offset >= 1000; ) {
        inject(`. ${offset}:${offset + 1000}(1000) ack 1 win 65535`)
        offset += 1000
        pass(50)
        const last = take().at(-1)
        if (last) edge = last.ack + last.win
      }
      take()
      expect(read(sk, 100)).toBe(100)
      expect(take()).toEqual([])
      for (let n = 1; n > 0; ) n = read(sk, 1000)
      expect(take().at(-1)!.win).toBeGreaterThan(10_000)
      expect(host.i32[sk + SK_RMEM]).toBe(0)
      finish(sk)
    })
  })

  describe('acknowledging', () => {
    test('quickly at first, then every second segment, or after 40 ms', () => {
      const { host, establish, inject, take, pass, read, finish } = start()
      const sk = establish({ mss: 1000 })
      inject('P. 1:1001(1000) ack 1 win 65535')
      expect(take().length).toBe(1)
      host.i32[sk + TP_QUICK] = 0
      pass(100)
      read(sk)
      inject('. 1001:2001(1000) ack 1 win 65535')
      read(sk)
      expect(take().length).toBe(0)
      inject('. 2001:3001(1000) ack 1 win 65535')
      read(sk)
      expect(take().map(({ text }) => text)).toEqual(['. 1:1(0) ack 3001'])
      host.i32[sk + TP_QUICK] = 0
      inject('. 3001:4001(1000) ack 1 win 65535')
      expect(take().length).toBe(0)
      pass(39)
      expect(take().length).toBe(0)
      pass(2)
      expect(take().map(({ text }) => text)).toEqual(['. 1:1(0) ack 4001'])
      expect(host.mib('TcpExtDelayedACKs')).toBe(1)
      read(sk)
      finish(sk)
    })
    test('an answer carries the acknowledgement', () => {
      const { host, establish, inject, sent, read, write, finish } = start()
      const sk = establish()
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_QUICKACK, 0)
      host.i32[sk + TP_QUICK] = 0
      inject('P. 1:11(10) ack 1 win 65535')
      expect(sent()).toEqual([])
      read(sk)
      write(sk, 5)
      expect(sent()).toEqual(['P. 1:6(5) ack 11'])
      finish(sk)
    })
    test('out of order: at once, or when there is nothing else to do, with SACK blocks, newest first', () => {
      const { establish, inject, sent, read, finish, host } = start()
      const sk = establish(SACK)
      inject('. 1001:2001(1000) ack 1 win 65535')
      inject('. 5001:6001(1000) ack 1 win 65535')
      inject('. 3001:4001(1000) ack 1 win 65535')
      inject('. 2001:3001(1000) ack 1 win 65535')
      host.tcp.sendCompressed()
      expect(sent()).toEqual([
        '. 1:1(0) ack 1 <sack 1001:2001>',
        '. 1:1(0) ack 1 <sack 5001:6001 1001:2001>',
        '. 1:1(0) ack 1 <sack 3001:4001 5001:6001 1001:2001>',
        '. 1:1(0) ack 1 <sack 1001:4001 5001:6001>',
      ])
      expect(host.mib('TcpExtTCPOFOQueue')).toBe(4)
      inject('. 1:1001(1000) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 4001 <sack 5001:6001>'])
      inject('. 4001:5001(1000) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 6001'])
      expect(read(sk)).toBe(6000)
      finish(sk)
    })
    test('small segments that follow each other out of order share a buffer', () => {
      const { host, establish, inject, read, finish } = start()
      const sk = establish(SACK)
      for (let k = 0; k < 20; k++) {
        const from = 101 + 20 * k
        inject(`P. ${from}:${from + 20}(20) ack 1 win 65535`)
      }
      expect(host.i32[sk + TP_OFO_LEN]).toBe(1)
      // behind a hole of its own
      inject('P. 601:621(20) ack 1 win 65535')
      expect(host.i32[sk + TP_OFO_LEN]).toBe(2)
      inject('P. 1:101(100) ack 1 win 65535')
      inject('P. 501:601(100) ack 1 win 65535')
      expect(read(sk)).toBe(620)
      expect(host.i32[sk + TP_OFO_LEN]).toBe(0)
      finish(sk)
    })
    test('a duplicate is reported (DSACK)', () => {
      const { establish, inject, sent, read, finish, host } = start()
      const sk = establish(SACK)
      inject('P. 1:1001(1000) ack 1 win 65535')
      sent()
      inject('P. 1:1001(1000) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1001 <sack 1:1001>'])
      inject('P. 501:1501(1000) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1501 <sack 501:1001>'])
      expect(read(sk)).toBe(1500)
      expect(host.leaks().held).toBe(0)
      expect(host.mib('TcpExtTCPDSACKOldSent')).toBe(2)
      expect(host.mib('TcpExtDelayedACKLost')).toBe(1)
      // one that waits out of order
      inject('P. 3001:4001(1000) ack 1 win 65535')
      inject('P. 3001:4001(1000) ack 1 win 65535')
      expect(sent().at(-1)).toBe('. 1:1(0) ack 1501 <sack 3001:4001 3001:4001>')
      expect(host.mib('TcpExtTCPDSACKOfoSent')).toBe(1)
      finish(sk)
    })
    test('a peer without SACK hears of no duplicate, and none is counted', () => {
      const { establish, inject, finish, host } = start()
      const sk = establish({ mss: 1000 })
      for (let n = 0; n < 2; n++) inject('P. 1:1001(1000) ack 1 win 65535')
      expect(host.mib('TcpExtTCPDSACKOldSent')).toBe(0)
      finish(sk)
    })
  })

  test('text that GRO has chained is read in order, in pieces of any size', () => {
    const { host, establish, inject } = start()
    const sk = establish(SACK)
    const { skbs, i32, arena } = host
    // an skb as GRO makes it: the first segment whole, the payloads of the others on its frag list
    inject('. 1:1001(1000) ack 1 win 65535')
    const head = i32[sk + SK_RCVQ_HEAD]!
    let last = 0
    for (let n = 1; n <= 3; n++) {
      const frag = skbs.alloc(1000, 0)
      const at = skbs.put(frag, 1000)
      for (let k = 0; k < 1000; k++) arena.u8[at + k] = pattern(n * 1000 + k)
      skbs.addFrag(head, last, frag)
      last = frag
    }
    i32[sk + TP_RCV_NXT]! += 3000
    i32[head + CB_END_SEQ]! += 3000
    const bytes = new Uint8Array(4000)
    let got = 0
    for (const size of [1, 998, 2, 1500, 5000]) got += host.tcp.recvBytes(sk, bytes, got, size)
    expect(got).toBe(4000)
    expect(bytes.every((byte, k) => byte === pattern(k))).toBe(true)
    host.tcp.close(sk)
  })

  describe('losing', () => {
    /** The path of a connection that is just there is one of 40 ms, and a loss halves its window. */
    const measured = (script: ReturnType<typeof start>, sk: number): number => {
      script.host.i32[sk + TP_CA_OPS] = CONGESTION_CONTROLS.indexOf(reno)
      script.host.i32[sk + TP_MIN_RTT_US] = 40_000
      script.host.i32[sk + TP_SRTT_US] = 40_000 << 3
      return sk
    }
    const flight = (options: object) => {
      const script = start()
      const sk = measured(script, script.establish(options))
      script.write(sk, 10_000)
      expect(script.sent().length).toBe(10)
      return { ...script, sk }
    }
    test('three duplicate ACKs bring a fast retransmission (NewReno), and a partial ACK the next as the window lets it', () => {
      const { host, inject, sent, sk, finish } = flight({ mss: 1000 })
      inject('. 1:1(0) ack 1 win 65535')
      inject('. 1:1(0) ack 1 win 65535')
      expect(sent()).toEqual([])
      inject('. 1:1(0) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1001(1000) ack 1'])
      expect(host.i32[sk + TP_CA_STATE]).toBe(TCP_CA_RECOVERY)
      expect(host.mib('TcpExtTCPRenoRecovery')).toBe(1)
      expect(host.mib('TcpExtTCPFastRetrans')).toBe(1)
      // half of the window is on its way still
      inject('. 1:1(0) ack 4001 win 65535')
      expect(sent()).toEqual([])
      inject('. 1:1(0) ack 4001 win 65535')
      expect(sent()).toEqual(['. 4001:5001(1000) ack 1'])
      inject('. 1:1(0) ack 10001 win 65535')
      expect(host.i32[sk + TP_SND_CWND]).toBe(5)
      inject('. 1:1(0) ack 10001 win 65535')
      finish(sk)
    })
    test.each([
      ['SACK', SACK],
      ['NewReno', { mss: 1000 }],
    ])('the first two duplicate ACKs each let a new segment go (RFC 3042), %s', (name, options) => {
      const script = start()
      const { inject, write, establish, sent, host, pass, finish } = script
      const sk = measured(script, establish(options))
      write(sk, 40_000)
      expect(sent().length).toBe(10)
      pass(40)
      const dup = (upTo: number): void =>
        inject(
          '. 1:1(0) ack 1 win 65535',
          name === 'SACK' ? { sack: [[1001, upTo]] as [number, number][] } : {}
        )
      dup(2001)
      expect(sent()).toEqual(['. 10001:11001(1000) ack 1'])
      dup(3001)
      expect(sent()).toEqual(['. 11001:12001(1000) ack 1'])
      expect(host.i32[sk + TP_SND_CWND]).toBe(10)
      // the third shows the loss
      dup(4001)
      expect(sent()).toEqual(['. 1:1001(1000) ack 1'])
      inject('. 1:1(0) ack 12001 win 65535')
      inject('R 1:1(0)')
      finish(sk)
    })
    test('SACK shows what is lost, and only that goes again', () => {
      const { host, inject, sent, pass, sk, finish } = flight(SACK)
      pass(40)
      inject('. 1:1(0) ack 1 win 65535', { sack: [[1001, 2001]] })
      inject('. 1:1(0) ack 1 win 65535', {
        sack: [
          [3001, 4001],
          [1001, 2001],
        ],
      })
      expect(sent()).toEqual([])
      inject('. 1:1(0) ack 1 win 65535', {
        sack: [
          [3001, 5001],
          [1001, 2001],
        ],
      })
      expect(sent()).toEqual(['. 1:1001(1000) ack 1'])
      inject('. 1:1(0) ack 1 win 65535', {
        sack: [
          [3001, 10001],
          [1001, 2001],
        ],
      })
      expect(sent()).toEqual(['. 2001:3001(1000) ack 1'])
      expect(host.mib('TcpExtTCPSackRecovery')).toBe(1)
      expect(host.mib('TcpRetransSegs')).toBe(2)
      inject('. 1:1(0) ack 10001 win 65535')
      expect(host.i32[sk + TP_CA_STATE]!).toBeLessThanOrEqual(TCP_CA_DISORDER)
      expect(host.i32[sk + TP_SND_CWND]).toBe(5)
      finish(sk)
    })
    test('the timer sends the first segment, backs off, and slow-starts', () => {
      const { host, inject, sent, pass, take, sk, finish } = flight({ mss: 1000 })
      pass(201)
      expect(sent()).toEqual(['. 1:1001(1000) ack 1'])
      expect(host.i32[sk + TP_CA_STATE]).toBe(TCP_CA_LOSS)
      expect(host.i32[sk + TP_SND_CWND]).toBe(1)
      pass(2000)
      const times = take().map(({ atMs }) => Math.round(atMs))
      expect(times).toEqual([603, 1407])
      inject('. 1:1(0) ack 1001 win 65535')
      expect(sent()).toEqual(['. 1001:2001(1000) ack 1', '. 2001:3001(1000) ack 1'])
      expect(host.mib('TcpExtTCPTimeouts')).toBe(3)
      expect(host.mib('TcpExtTCPSlowStartRetrans')).toBe(2)
      inject('. 1:1(0) ack 10001 win 65535')
      finish(sk)
    })
    test('a timeout that was none is undone by the timestamp (Eifel)', () => {
      const script = start()
      const { host, inject, take, write, pass, finish } = script
      const sk = script.establish({ mss: 1012, sackOk: true, ts: [100, 0] })
      write(sk, 10_000)
      const original = take()[0]!.tsval
      pass(210)
      expect(host.i32[sk + TP_CA_STATE]).toBe(TCP_CA_LOSS)
      inject('. 1:1(0) ack 10001 win 65535', { ts: [400, original] })
      expect(host.i32[sk + TP_CA_STATE]).toBe(TCP_CA_OPEN)
      expect(host.i32[sk + TP_SND_CWND]).toBeGreaterThanOrEqual(10)
      expect(host.mib('TcpExtTCPLossUndo')).toBe(1)
      finish(sk)
    })
    test('a retransmission that is lost too is counted when the timer fires again', () => {
      const { host, inject, pass, sk, finish } = flight({ mss: 1000 })
      pass(201)
      expect(host.mib('TcpExtTCPLostRetransmit')).toBe(0)
      pass(420)
      expect(host.mib('TcpExtTCPLostRetransmit')).toBe(1)
      inject('. 1:1(0) ack 10001 win 65535')
      finish(sk)
    })
    test('a hole that fills late was reordering, however short', () => {
      const { host, inject, pass, sk, finish } = flight(SACK)
      pass(40)
      inject('. 1:1(0) ack 1 win 65535', { sack: [[2001, 3001]] })
      inject('. 1:1(0) ack 1 win 65535', { sack: [[1001, 3001]] })
      expect(host.mib('TcpExtTCPSACKReorder')).toBe(1)
      expect(host.i32[sk + TP_REORDERING]).toBe(3)
      inject('. 1:1(0) ack 1 win 65535', {
        sack: [
          [1001, 3001],
          [8001, 9001],
        ],
      })
      inject('. 1:1(0) ack 1 win 65535', {
        sack: [
          [3001, 4001],
          [1001, 3001],
          [8001, 9001],
        ],
      })
      expect(host.mib('TcpExtTCPSACKReorder')).toBe(2)
      expect(host.i32[sk + TP_REORDERING]).toBe(6)
      inject('. 1:1(0) ack 10001 win 65535')
      finish(sk)
    })
    test('without SACK, more duplicate ACKs than segments can have caused show reordering', () => {
      const { host, establish, write, inject, finish } = start()
      const sk = establish({ mss: 1000 })
      write(sk, 3000)
      for (let n = 0; n < 2; n++) inject('. 1:1(0) ack 1 win 65535')
      expect(host.mib('TcpExtTCPRenoReorder')).toBe(0)
      inject('. 1:1(0) ack 1 win 65535')
      expect(host.mib('TcpExtTCPRenoReorder')).toBe(1)
      expect(host.i32[sk + TP_SACKED_OUT]).toBe(2)
      expect(host.i32[sk + TP_CA_STATE]).toBe(TCP_CA_DISORDER)
      inject('. 1:1(0) ack 3001 win 65535')
      finish(sk)
    })
    test('a timestamp shows that the original filled the hole, not the retransmission', () => {
      const script = start()
      const { host, inject, take, write, pass, finish } = script
      const sk = measured(script, script.establish({ mss: 1012, sackOk: true, ts: [100, 0] }))
      write(sk, 10_000)
      const original = take()[0]!.tsval
      pass(40)
      const sack: [number, number][] = [[1001, 5001]]
      inject('. 1:1(0) ack 1 win 65535', { ts: [110, original], sack })
      expect(host.i32[sk + TP_CA_STATE]).toBe(TCP_CA_RECOVERY)
      pass(5)
      inject('. 1:1(0) ack 5001 win 65535', { ts: [111, original] })
      expect(host.mib('TcpExtTCPTSReorder')).toBe(1)
      expect(host.i32[sk + TP_REORDERING]).toBe(5)
      inject('. 1:1(0) ack 10001 win 65535', { ts: [112, original] })
      finish(sk)
    })
    test('an established connection gives up after tcp_retries2', () => {
      const { host, sk, read, pass, finish } = flight({ mss: 1000 })
      host.setSysctl('tcp_retries2', 3)
      pass(60_000)
      expect(host.i32[sk + SK_STATE]).toBe(TCP_CLOSE)
      expect(read(sk)).toBe(-110)
      finish(sk)
    })
    test('TCP_USER_TIMEOUT gives up earlier', () => {
      const { host, sk, read, pass, finish } = flight({ mss: 1000 })
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)
      pass(5000)
      expect(host.i32[sk + SK_STATE]).toBe(TCP_CLOSE)
      expect(read(sk)).toBe(-110)
      finish(sk)
    })
    test('a route that fails for a while does not lose text', () => {
      let failing = false
      const script = createTcpScript(family, { sendError: () => (failing ? -113 : 0) })
      const { host, establish, write, sent, pass, inject } = script
      const sk = establish()
      failing = true
      write(sk, 100)
      pass(3000)
      expect(sent()).toEqual([])
      failing = false
      pass(60_000)
      expect(sent()[0]).toBe('P. 1:101(100) ack 1')
      inject('. 1:1(0) ack 101 win 65535')
      host.tcp.abort(sk)
      host.tcp.close(sk)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
  })

  describe('windows', () => {
    test('a closed window is probed, ever more rarely, until it opens', () => {
      const { host, establish, write, sent, take, inject, pass, finish } = start()
      const sk = establish({ mss: 1000 }, 2000)
      write(sk, 4000)
      expect(sent().length).toBe(2)
      inject('. 1:1(0) ack 2001 win 0')
      expect(sent()).toEqual([])
      const probes: number[] = []
      for (let n = 0; n < 4; n++) {
        pass(200 << n)
        for (const seen of take()) {
          expect(seen.text).toBe('. 2000:2000(0) ack 1')
          probes.push(Math.round(seen.atMs / 100) * 100)
        }
        inject('. 1:1(0) ack 2001 win 0')
      }
      expect(probes).toEqual([200, 600, 1400, 3000])
      expect(host.mib('TcpExtTCPWinProbe')).toBe(4)
      inject('. 1:1(0) ack 2001 win 4000')
      expect(sent()).toEqual(['. 2001:3001(1000) ack 1', 'P. 3001:4001(1000) ack 1'])
      inject('. 1:1(0) ack 4001 win 4000')
      finish(sk)
    })
    test('a window too small for a segment does not tempt to silly ones', () => {
      const { establish, write, sent, inject, finish } = start()
      const sk = establish({ mss: 1000 }, 3000)
      write(sk, 5000)
      expect(sent().length).toBe(3)
      inject('. 1:1(0) ack 3001 win 300')
      expect(sent()).toEqual([])
      inject('. 1:1(0) ack 3001 win 3000')
      expect(sent().length).toBe(2)
      inject('. 1:1(0) ack 5001 win 3000')
      finish(sk)
    })
    test('a peer that does not read stops the sender, and reading starts it again', () => {
      const pair = createTcpPair({ family })
      const { client, server, listener } = pair.connect()
      const total = 3 << 20
      const up = startTransfer(pair.a, client, pair.b, server, total)
      pair.a.handlers.set(client, (events) => {
        if ((events & SK_EVENT_WRITE) !== 0) up.send()
      })
      up.send()
      pair.run(5000)
      expect(up.state.sent).toBeLessThan(total)
      const stalled = up.state.sent
      pair.run(30_000)
      expect(up.state.sent).toBe(stalled)
      expect(pair.b.i32[server + SK_STATE]).toBe(TCP_ESTABLISHED)
      pair.b.handlers.set(server, (events) => {
        if ((events & SK_EVENT_READ) !== 0) up.receive()
      })
      up.receive()
      expect(pair.run(60_000, up.done)).toBe(true)
      expect(up.state.wrong).toBe(0)
      pair.a.tcp.close(client)
      pair.b.tcp.close(server)
      pair.b.tcp.close(listener)
      pair.run(200_000)
      expect(pair.leaks()).toEqual([NO_LEAKS, NO_LEAKS])
    })
    const buffers = [2304, 4096, 8192, 20_000, 65_536, 200_000]
    const lengths = [1, 64, 500, 900, 950, 1087, 1460]
    test.each(buffers)(
      'what a buffer of %d octets offered is taken, whatever its segments',
      (size) => {
        for (const length of [...lengths, 0]) {
          const random = seeded(size + length)
          const { host, establish, inject, take, read, finish } = start()
          // the buffer counts from the first window on
          host.i32[host.arena.layout.sysctl + Sysctl.tcp_rmem_default] = size
          host.i32[host.arena.layout.sysctl + Sysctl.tcp_rmem_max] = size
          const sk = establish({ mss: 1460 })
          let seq = 1
          for (let k = 0; k < 800; k++) {
            const window = receiveWindow(host.i32, sk)
            const wanted = length || 1 + ((random() >>> 0) % 3000)
            const len = Math.min(wanted, window)
            if (len === 0) {
              // some of it is read, or all
              read(sk, 1 + ((random() >>> 0) % size))
              if (receiveWindow(host.i32, sk) === 0) read(sk)
            } else {
              inject(`P. ${seq}:${seq + len}(${len}) ack 1 win 65535`)
              seq += len
              expect(host.i32[sk + TP_RCV_NXT]).toBe((1000 + seq) | 0)
            }
          }
          expect(seq).toBeGreaterThan(700)
          expect(host.mib('TcpExtTCPRcvQDrop')).toBe(0)
          take()
          finish(sk)
        }
      }
    )
    test('SO_RCVBUF bounds what an idle socket holds, however small the segments', () => {
      const { host, establish, inject, take, finish } = start()
      const sk = establish({ mss: 1000 })
      host.sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, 20_000)
      for (let offset = 1; offset < 20_000; offset += 10)
        inject(`P. ${offset}:${offset + 10}(10) ack 1 win 65535`)
      expect(host.i32[sk + SK_RMEM]!).toBeLessThan(60_000)
      expect(host.tcp.readable(sk)).toBeGreaterThan(5000)
      expect(host.mib('TcpExtTCPRcvCoalesce')).toBeGreaterThan(100)
      take()
      finish(sk)
    })
    test('idle receivers do not empty the pool', () => {
      const pair = createTcpPair({ family, segment: false })
      const links = Array.from({ length: 8 }, (_, n) => pair.connect(1000 + n))
      for (const { client, server } of links) {
        const up = startTransfer(pair.a, client, pair.b, server, 4 << 20)
        pair.a.handlers.set(client, (events) => {
          if ((events & SK_EVENT_WRITE) !== 0) up.send()
        })
        up.send()
      }
      pair.run(20_000)
      const free = pair.b.skbs.available()
      expect(free.larges).toBeGreaterThan(8)
      expect(free.smalls).toBeGreaterThan(256)
      for (const { client, server, listener } of links) {
        pair.a.tcp.close(client)
        pair.b.tcp.close(server)
        pair.b.tcp.close(listener)
      }
      pair.run(
        600_000,
        () => pair.a.slab.live() === 0 && pair.b.slab.live() === 0 && pair.inFlight() === 0
      )
      expect(pair.leaks()).toEqual([NO_LEAKS, NO_LEAKS])
    })
  })

  test('sequence numbers wrap in both directions', () => {
    const probe = createTcpPair({ family })
    const first = probe.connect()
    const isn = probe.a.i32[first.client + TP_SND_ISN]!
    // the clock of sequence numbers ticks sixteen times a microsecond
    const startUs = 1_000_000_000 + (((-200_000 - isn) | 0) >>> 4)
    const pair = createTcpPair({ family, a: { startUs }, b: { startUs } })
    const { client, server, listener } = pair.connect()
    expect(Math.abs((pair.a.i32[client + TP_SND_ISN]! + 200_000) | 0)).toBeLessThan(100)
    const up = startTransfer(pair.a, client, pair.b, server, 1 << 20)
    const events = (send: () => void, receive: () => void) => (bits: number) => {
      if ((bits & SK_EVENT_WRITE) !== 0) send()
      if ((bits & SK_EVENT_READ) !== 0) receive()
    }
    pair.a.handlers.set(
      client,
      events(up.send, () => {})
    )
    pair.b.handlers.set(
      server,
      events(() => {}, up.receive)
    )
    up.send()
    expect(pair.run(60_000, up.done)).toBe(true)
    expect(up.state.wrong).toBe(0)
    pair.a.tcp.close(client)
    pair.b.tcp.close(server)
    pair.b.tcp.close(listener)
    pair.run(100_000)
    expect(pair.leaks()).toEqual([NO_LEAKS, NO_LEAKS])
  })
  test("the peer's sequence numbers wrap", () => {
    const { peer, establish, inject, read, sent, finish } = start()
    peer.isn = -501
    const sk = establish(SACK)
    inject('. 1001:2001(1000) ack 1 win 65535')
    inject('. 1:1001(1000) ack 1 win 65535')
    expect(sent()).toEqual(['. 1:1(0) ack 1 <sack 1001:2001>', '. 1:1(0) ack 2001'])
    expect(read(sk)).toBe(2000)
    finish(sk)
  })

  describe('keepalive', () => {
    test('probes an idle connection, and ends it when nobody answers', () => {
      const { host, establish, take, pass, inject, read, finish } = start()
      const sk = establish()
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_KEEPIDLE, 10)
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_KEEPINTVL, 2)
      host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_KEEPCNT, 3)
      host.sockets.setsockopt(sk, SOL_SOCKET, SO_KEEPALIVE, 1)
      pass(10_500)
      expect(take().map(({ text }) => text)).toEqual(['. 0:0(0) ack 1'])
      inject('. 1:1(0) ack 1 win 65535')
      pass(9000)
      expect(take()).toEqual([])
      pass(20_000)
      expect(take().map(({ flags }) => flags)).toEqual(['.', '.', '.', 'R.'])
      expect(read(sk)).toBe(-110)
      expect(host.mib('TcpExtTCPKeepAlive')).toBe(4)
      finish(sk)
    })
    test('answers the probe of the peer', () => {
      const { establish, inject, sent, finish } = start()
      const sk = establish()
      inject('. 0:0(0) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      finish(sk)
    })
  })

  test('options are read back as they were set', () => {
    const { host, finish } = start()
    const sk = host.tcp.open(family)
    expect(host.sockets.getsockopt(sk, IPPROTO_TCP, TCP_NODELAY)).toBe(0)
    host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_NODELAY, 1)
    host.sockets.setsockopt(sk, IPPROTO_IP, IP_TTL, 7)
    host.sockets.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, 10_000)
    expect(host.sockets.getsockopt(sk, IPPROTO_TCP, TCP_NODELAY)).toBe(1)
    expect(host.sockets.getsockopt(sk, IPPROTO_IP, IP_TTL)).toBe(7)
    expect(host.sockets.getsockopt(sk, SOL_SOCKET, SO_RCVBUF)).toBe(20_000)
    expect(host.sockets.setsockopt(sk, IPPROTO_TCP, TCP_KEEPCNT, 0)).toBe(-22)
    expect(host.sockets.setsockopt(sk, 99, 1, 1)).toBe(-92)
    finish(sk)
  })
})
