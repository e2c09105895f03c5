import { TP_SENT_HEAD } from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { AF_INET } from '../../../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import {
  FL_DADDR,
  FL_DPORT,
  FL_SADDR,
  FL_SPORT,
  createFlowi,
} from '../../../../../core/base/flowi.ts'
import {
  SEND_SHUTDOWN,
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_RCVQ_HEAD,
  SK_RMEM,
  SK_STATE,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../../../../../core/socket/sock.ts'
import { NO_MTU } from '../../../../../core/inet/inet-constants.ts'
import { tcpInfo } from '../../../../../core/transport/tcp/sock/tcp-info.ts'
import { SO_LINGER, SOL_SOCKET } from '../../../../../core/socket/socket-constants.ts'
import { address, ANY, FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const ALL = { mss: 1460, sackOk: true, ts: [5000, 0] as [number, number], wscale: 7 }

describe.each(FAMILIES)('%s', (_name, family) => {
  const mss = family === AF_INET ? 1460 : 1440
  const start = (extra = {}) => {
    const script = createTcpScript(family, extra)
    const { host } = script
    const state = (sk: number): number => host.i32[sk + SK_STATE]!
    /** Lets everything that is over end, and checks that nothing stays behind. */
    const finish = (...sockets: number[]): void => {
      for (const sk of sockets) host.tcp.close(sk)
      script.pass(1_200_000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    }
    return { ...script, state, finish }
  }

  describe('opening', () => {
    test('answers a SYN with all options, and is established by the ACK', () => {
      const { host, inject, take, finish, state } = start()
      let child = 0
      const listener = host.serve(80, (sk) => {
        child = sk
      })
      // a listener says what its children begin with
      expect(tcpInfo(host.arena, listener, 0)).toMatchObject({ state: 'LISTEN', cwnd: 10 })
      inject('S 0:0(0) win 64000', ALL)
      const synAck = take()[0]!
      expect(synAck.text).toBe('S. 0:0(0) ack 1 <mss,sackOK,TS,wscale>')
      expect(synAck).toMatchObject({ mss, tsecr: 5000 })
      expect(synAck.win).toBeGreaterThan(60_000)
      inject('. 1:1(0) ack 1 win 500', { ts: [5001, synAck.tsval] })
      expect(state(child)).toBe(TCP_ESTABLISHED)
      expect(tcpInfo(host.arena, child, 0)).toMatchObject({
        state: 'ESTAB',
        ts: true,
        sack: true,
        cwnd: 10,
        mss: mss - 12,
        snd_wnd: 64_000,
        cong: 'cubic',
      })
      finish(child, listener)
    })
    test('offers only what both know', () => {
      const { host, inject, sent, finish } = start()
      const listener = host.serve(80, () => {})
      inject('S 0:0(0) win 64000', { mss: 1000 })
      expect(sent()).toEqual(['S. 0:0(0) ack 1 <mss>'])
      host.setSysctl('tcp_timestamps', 0)
      host.setSysctl('tcp_sack', 0)
      host.setSysctl('tcp_window_scaling', 0)
      inject('S 0:0(0) win 64000', { ...ALL, port: 4001 })
      expect(sent()).toEqual(['S. 0:0(0) ack 1 <mss>'])
      finish(listener)
    })
    test('a peer that names no MSS gets what every host takes', () => {
      const { establish, write, take, finish } = start()
      const sk = establish({})
      write(sk, 2000)
      expect(take()[0]!.len).toBe(family === AF_INET ? 536 : 1220)
      finish(sk)
    })
    test('opens actively', () => {
      const { host, inject, sent, peer, portOf, take, finish, state } = start()
      const sk = host.dial(address(family, 2), 80)
      const events: number[] = []
      host.handlers.set(sk, (event) => events.push(event))
      const syn = take()[0]!
      expect(syn.text).toBe('S 0:0(0) <mss,sackOK,TS,wscale>')
      expect(state(sk)).toBe(TCP_SYN_SENT)
      peer.port = 80
      peer.toPort = portOf(sk)
      inject('S. 0:0(0) ack 1 win 65535', { ...ALL, ts: [9, syn.tsval] })
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      expect(state(sk)).toBe(TCP_ESTABLISHED)
      expect(events[0]! & SK_EVENT_CONNECT).toBe(SK_EVENT_CONNECT)
      finish(sk)
    })
    test('opens simultaneously', () => {
      const { host, inject, sent, peer, portOf, finish, state } = start()
      const sk = host.dial(address(family, 2), 80)
      sent()
      peer.port = 80
      peer.toPort = portOf(sk)
      inject('S 0:0(0) win 65535', { mss: 1460 })
      expect(state(sk)).toBe(TCP_SYN_RECV)
      expect(sent()).toEqual(['S. 0:0(0) ack 1 <mss>'])
      inject('S. 0:0(0) ack 1 win 65535', { mss: 1460 })
      expect(state(sk)).toBe(TCP_ESTABLISHED)
      finish(sk)
    })
    test('opens simultaneously by a SYN that was sent again, of which nothing is left', () => {
      const { host, inject, sent, pass, peer, portOf, finish, state } = start()
      const sk = host.dial(address(family, 2), 80)
      pass(1500)
      sent()
      peer.port = 80
      peer.toPort = portOf(sk)
      inject('S 0:0(0) win 65535', { mss: 1460 })
      expect(sent()).toEqual(['S. 0:0(0) ack 1 <mss>'])
      inject('S. 0:0(0) ack 1 win 65535', { mss: 1460 })
      expect(state(sk)).toBe(TCP_ESTABLISHED)
      // what is acknowledged is not in the order of sending any more
      expect(host.i32[sk + TP_SENT_HEAD]).toBe(0)
      finish(sk)
    })
    test('repeats the SYN at 1, 3, 7 s and so on, and gives up with ETIMEDOUT', () => {
      const { host, take, pass, finish, state } = start()
      host.setSysctl('tcp_syn_linear_timeouts', 0)
      const sk = host.dial(address(family, 2), 80)
      let error = 0
      host.handlers.set(sk, (events) => {
        if ((events & SK_EVENT_ERROR) !== 0) error = host.sockets.getsockopt(sk, SOL_SOCKET, 4)
      })
      pass(200_000)
      expect(take().map(({ atMs }) => Math.round(atMs / 1000))).toEqual([0, 1, 3, 7, 15, 31, 63])
      expect(error).toBe(110)
      expect(state(sk)).toBe(TCP_CLOSE)
      expect(host.mib('TcpExtTCPTimeouts')).toBe(6)
      expect(host.mib('TcpExtTCPSynRetrans')).toBe(6)
      expect(host.mib('TcpAttemptFails')).toBe(1)
      expect(host.mib('TcpExtTCPAbortOnTimeout')).toBe(1)
      finish(sk)
    })
    test('repeats the SYN-ACK, and forgets the request after tcp_synack_retries', () => {
      const { host, inject, take, pass, finish } = start()
      const listener = host.serve(80, () => {})
      inject('S 0:0(0) win 65535', { mss: 1460 })
      pass(200_000)
      expect(take().map(({ atMs }) => Math.round(atMs / 1000))).toEqual([0, 1, 3, 7, 15, 31])
      expect(host.slab.live()).toBe(1)
      finish(listener)
    })
    test('refused: a RST for the SYN ends it with ECONNREFUSED', () => {
      const { host, inject, peer, portOf, take, finish, state } = start()
      const sk = host.dial(address(family, 2), 80)
      take()
      peer.port = 80
      peer.toPort = portOf(sk)
      inject('R. 0:0(0) ack 5 win 0')
      expect(state(sk)).toBe(TCP_SYN_SENT)
      inject('R. 0:0(0) ack 1 win 0')
      expect(state(sk)).toBe(TCP_CLOSE)
      expect(host.tcp.recvBytes(sk, new Uint8Array(1), 0, 1)).toBe(-111)
      finish(sk)
    })
    test('a refused socket may try again', () => {
      const { host, inject, peer, portOf, take, finish, state } = start()
      const sk = host.dial(address(family, 2), 80)
      peer.port = 80
      peer.toPort = portOf(sk)
      take()
      inject('R. 0:0(0) ack 1 win 0')
      host.sockets.setsockopt(sk, 6, 1, 1)
      const size = host.sockets.getsockopt(sk, 6, 2)
      expect(host.tcp.connect(sk, address(family, 2), 0, 81)).toBe(-111)
      // the size of segments is still that of the attempt (TCP_MAXSEG)
      expect(host.sockets.getsockopt(sk, 6, 2)).toBe(size)
      expect(host.tcp.connect(sk, address(family, 2), 0, 81)).toBe(-115)
      peer.port = 81
      peer.toPort = portOf(sk)
      take()
      inject('S. 0:0(0) ack 1 win 65535', ALL)
      expect(state(sk)).toBe(TCP_ESTABLISHED)
      expect(host.sockets.getsockopt(sk, 6, 1)).toBe(1)
      finish(sk)
    })
    test('a SYN-ACK that acknowledges something else is answered by a RST', () => {
      const { host, inject, peer, portOf, sent, finish } = start()
      const sk = host.dial(address(family, 2), 80)
      sent()
      peer.port = 80
      peer.toPort = portOf(sk)
      inject('S. 0:0(0) ack 9 win 65535')
      expect(sent()).toEqual(['R 9:9(0)'])
      finish(sk)
    })
    test('no socket: a RST, with the sequence that the segment acknowledges or an acknowledgement', () => {
      const { host, inject, take } = start()
      inject('S 0:0(0) win 65535')
      inject('. 1:11(10) ack 7 win 65535')
      inject('R 1:1(0)')
      const seen = take()
      expect(seen.map(({ flags }) => flags)).toEqual(['R.', 'R'])
      expect(seen[0]!.ack).toBe(1)
      expect(host.mib('TcpOutRsts')).toBe(2)
      expect(host.drops('NO_SOCKET')).toBe(3)
    })
    test('a bad checksum is counted and dropped', () => {
      const { host } = start()
      const bytes = new Uint8Array(60)
      bytes[host.headerLen + 12] = 0x50
      host.receive({ bytes, gsoSize: 0 })
      expect(host.mib('TcpInCsumErrors')).toBe(1)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
  })

  describe('listening', () => {
    test('a full accept queue drops the last ACK and later SYNs, and takes them again when there is room', () => {
      const { host, inject, take, finish } = start()
      const listener = host.tcp.open(family)
      host.tcp.bind(listener, ANY, 0, 80)
      host.tcp.listen(listener, 1)
      for (const port of [1, 2, 3]) {
        inject('S 0:0(0) win 65535', { mss: 1460, port })
        if (take().length > 0) inject('. 1:1(0) ack 1 win 65535', { port })
      }
      expect(host.mib('TcpExtListenOverflows')).toBe(1)
      expect(host.mib('TcpExtListenDrops')).toBe(1)
      expect(host.mib('TcpPassiveOpens')).toBe(2)
      const first = host.tcp.accept(listener)
      inject('S 0:0(0) win 65535', { mss: 1460, port: 3 })
      expect(take().length).toBe(1)
      finish(first, listener)
    })
    test('timestamps begin at a random number, but for tcp_timestamps = 2', () => {
      const { host, inject, take, finish } = start()
      const listener = host.serve(80, () => {})
      const stampOf = (port: number): number => {
        inject('S 0:0(0) win 65535', { mss: 1460, ts: [1, 0], port })
        return take().at(-1)!.tsval
      }
      const random = stampOf(1)
      host.setSysctl('tcp_timestamps', 2)
      expect(stampOf(2)).toBe(host.time[0]!)
      expect(random).not.toBe(host.time[0]!)
      finish(listener)
    })
    test('closing a listener resets the connections that nobody accepted', () => {
      const { host, inject, sent, finish } = start()
      const listener = host.tcp.open(family)
      host.tcp.bind(listener, ANY, 0, 80)
      host.tcp.listen(listener, 5)
      inject('S 0:0(0) win 65535', { mss: 1460 })
      inject('. 1:1(0) ack 1 win 65535')
      sent()
      host.tcp.close(listener)
      expect(sent()).toEqual(['R. 1:1(0) ack 1'])
      finish()
    })
    test('ss -K of a request forgets it', () => {
      const { host, inject, finish } = start()
      const listener = host.serve(80, () => {})
      inject('S 0:0(0) win 65535', { mss: 1460 })
      const request = host.slab.at(1)
      expect(tcpInfo(host.arena, request, 0).state).toBe('SYN-RECV')
      host.tcp.abort(request)
      expect(host.slab.live()).toBe(1)
      finish(listener)
    })
    test('a RST takes a request away', () => {
      const { host, inject, finish } = start()
      const listener = host.serve(80, () => {})
      inject('S 0:0(0) win 65535', { mss: 1460 })
      inject('R 1:1(0)')
      expect(host.slab.live()).toBe(1)
      expect(host.mib('TcpExtEmbryonicRsts')).toBe(1)
      finish(listener)
    })
  })

  describe('ports', () => {
    test('two listeners of one port clash, unless both say SO_REUSEPORT', () => {
      const { host, finish } = start()
      const open = (reuse: boolean): [number, number] => {
        const sk = host.tcp.open(family)
        if (reuse) host.sockets.setsockopt(sk, SOL_SOCKET, 15, 1)
        const err = host.tcp.bind(sk, ANY, 0, 80)
        return [sk, err === 0 ? host.tcp.listen(sk, 5) : err]
      }
      const [a, errA] = open(true)
      const [b, errB] = open(true)
      const [c, errC] = open(false)
      expect([errA, errB, errC]).toEqual([0, 0, -98])
      finish(a, b, c)
    })
    test('connections to one peer use the whole range, then fail with EADDRNOTAVAIL', () => {
      const { host, finish, take } = start()
      host.setSysctl('ip_local_port_range_min', 40_000)
      host.setSysctl('ip_local_port_range_max', 40_007)
      const sockets = Array.from({ length: 8 }, () => host.dial(address(family, 2), 80))
      expect(new Set(sockets.map((sk) => host.i32[sk + 20]!)).size).toBe(8)
      const ninth = host.tcp.open(family)
      expect(host.tcp.connect(ninth, address(family, 2), 0, 80)).toBe(-99)
      // another destination may use them again
      expect(host.tcp.connect(ninth, address(family, 2), 0, 81)).toBe(-115)
      take()
      finish(...sockets, ninth)
    })
    test('the port is one whose answers come to this worker', () => {
      const { host, finish } = start({
        steer: (fl: Int32Array) => (fl[FL_DPORT]! % 4 === 3 ? 0 : 1),
      })
      const sockets = Array.from({ length: 5 }, () => host.dial(address(family, 2), 80))
      for (const sk of sockets) expect(host.i32[sk + 20]! % 4).toBe(3)
      finish(...sockets)
    })
    test('a worker without a row left says so', () => {
      const { host, finish } = start({ config: { socks: 4 } })
      const sockets = [1, 2, 3, 4].map(() => host.tcp.open(family))
      expect(host.tcp.open(family)).toBe(0)
      finish(...sockets)
    })
  })

  describe('closing', () => {
    test('a FIN waits for room in a closed window, as an octet would', () => {
      const { inject, establish, sent, pass, write, host, finish } = start()
      const sk = establish({ mss: 1000 })
      write(sk, 1000)
      sent()
      inject('. 1:1(0) ack 1001 win 0')
      host.tcp.shutdown(sk, SEND_SHUTDOWN)
      expect(sent()).toEqual([])
      // the probe of the window asks for room
      pass(250)
      expect(sent()).toEqual(['. 1000:1000(0) ack 1'])
      inject('. 1:1(0) ack 1001 win 1000')
      expect(sent()).toEqual(['F. 1001:1001(0) ack 1'])
      inject('R 1:1(0)')
      finish(sk)
    })
    test('in TIME_WAIT nothing is left to shut down, nor to read', () => {
      const { inject, establish, host, finish } = start()
      const sk = establish()
      host.tcp.shutdown(sk, SEND_SHUTDOWN)
      inject('F. 1:1(0) ack 2 win 65535')
      expect(host.i32[sk + SK_STATE]).toBe(TCP_TIME_WAIT)
      expect(host.tcp.shutdown(sk, SEND_SHUTDOWN)).toBe(-107)
      expect(tcpInfo(host.arena, sk, 0)).toMatchObject({ recv_q: 0, send_q: 0 })
      finish(sk)
    })
    test('we close first: FIN, FIN_WAIT1, FIN_WAIT2, TIME_WAIT for a minute', () => {
      const { host, establish, inject, sent, pass, state } = start()
      const sk = establish()
      host.tcp.close(sk)
      expect(sent()).toEqual(['F. 1:1(0) ack 1'])
      expect(state(sk)).toBe(TCP_FIN_WAIT1)
      inject('. 1:1(0) ack 2 win 65535')
      expect(tcpInfo(host.arena, sk, 0).state).toBe('FIN-WAIT-2')
      inject('F. 1:1(0) ack 2 win 65535')
      expect(sent()).toEqual(['. 2:2(0) ack 2'])
      expect(state(sk)).toBe(TCP_TIME_WAIT)
      pass(59_000)
      expect(host.slab.live()).toBe(1)
      pass(2000)
      expect(host.mib('TcpExtTW')).toBe(1)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('half close: we have sent our FIN and still read', () => {
      const { host, establish, inject, sent, state, read, finish } = start()
      const sk = establish()
      host.tcp.shutdown(sk, SEND_SHUTDOWN)
      expect(sent()).toEqual(['F. 1:1(0) ack 1'])
      inject('. 1:1(0) ack 2 win 65535')
      expect(state(sk)).toBe(TCP_FIN_WAIT2)
      inject('P. 1:101(100) ack 2 win 65535')
      expect(read(sk)).toBe(100)
      expect(host.tcp.sendBytes(sk, new Uint8Array(1), 0, 1)).toBe(-32)
      inject('F. 101:101(0) ack 2 win 65535')
      expect(state(sk)).toBe(TCP_TIME_WAIT)
      expect(read(sk)).toBe(0)
      finish(sk)
    })
    test('the peer closes first: CLOSE_WAIT, end of file, LAST_ACK', () => {
      const { host, establish, inject, sent, state, read, write } = start()
      const sk = establish()
      let hup = 0
      host.handlers.set(sk, (events) => {
        hup |= events & SK_EVENT_HUP
      })
      inject('FP. 1:11(10) ack 1 win 65535')
      expect(hup).toBe(SK_EVENT_HUP)
      expect(state(sk)).toBe(TCP_CLOSE_WAIT)
      expect([read(sk), read(sk)]).toEqual([10, 0])
      sent()
      expect(write(sk, 5)).toBe(5)
      host.tcp.close(sk)
      expect(sent()).toEqual(['P. 1:6(5) ack 12', 'F. 6:6(0) ack 12'])
      expect(state(sk)).toBe(TCP_LAST_ACK)
      inject('. 12:12(0) ack 7 win 65535')
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('both close at once: CLOSING, then TIME_WAIT', () => {
      const { host, establish, inject, state, finish } = start()
      const sk = establish()
      host.tcp.close(sk)
      inject('F. 1:1(0) ack 1 win 65535')
      expect(state(sk)).toBe(TCP_CLOSING)
      inject('. 2:2(0) ack 2 win 65535')
      expect(state(sk)).toBe(TCP_TIME_WAIT)
      finish()
    })
    test('a lost FIN is sent again, and an orphan does not wait for ever', () => {
      const { host, establish, take, pass } = start()
      const sk = establish()
      host.tcp.close(sk)
      pass(1000)
      const times = take().map(({ text, atMs }) => [text, Math.round(atMs / 100) * 100])
      expect(times.slice(0, 3)).toEqual([
        ['F. 1:1(0) ack 1', 0],
        ['F. 1:1(0) ack 1', 200],
        ['F. 1:1(0) ack 1', 600],
      ])
      pass(900_000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('unread text makes close a reset', () => {
      const { host, establish, inject, sent } = start()
      const sk = establish()
      inject('P. 1:101(100) ack 1 win 65535')
      sent()
      host.tcp.close(sk)
      expect(sent()).toEqual(['R. 1:1(0) ack 101'])
      expect(host.mib('TcpExtTCPAbortOnClose')).toBe(1)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('SO_LINGER of zero resets', () => {
      const { host, establish, sent } = start()
      const sk = establish()
      host.sockets.setsockopt(sk, SOL_SOCKET, SO_LINGER, 0)
      host.tcp.close(sk)
      expect(sent()).toEqual(['R. 1:1(0) ack 1'])
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('text after close is answered by a RST', () => {
      const { host, establish, inject, sent, pass } = start()
      const sk = establish()
      host.tcp.close(sk)
      sent()
      inject('P. 1:101(100) ack 2 win 65535')
      expect(sent()).toEqual(['R 2:2(0)'])
      expect(host.mib('TcpExtTCPAbortOnData')).toBe(1)
      pass(1)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('FIN_WAIT2 without an application ends after tcp_fin_timeout', () => {
      const { host, establish, inject, pass } = start()
      host.setSysctl('tcp_fin_timeout', 5)
      const sk = establish()
      host.tcp.close(sk)
      inject('. 1:1(0) ack 2 win 65535')
      pass(4000)
      expect(host.slab.live()).toBe(1)
      pass(2000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('FIN_WAIT2 without an application answers what is outside the window, but not too often', () => {
      const { host, establish, inject, sent, pass } = start()
      const sk = establish()
      host.tcp.close(sk)
      inject('. 1:1(0) ack 2 win 65535')
      sent()
      for (let n = 0; n < 3; n++) inject('. -99:-99(0) ack 2 win 65535')
      expect(sent()).toEqual(['. 2:2(0) ack 1'])
      expect(host.mib('TcpExtTCPACKSkippedFinWait2')).toBe(2)
      expect(host.mib('TcpExtTCPACKSkippedTimeWait')).toBe(0)
      pass(60_000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test('TIME_WAIT acknowledges a repeated FIN, and a new SYN opens a new connection in its place', () => {
      const { host, establish, inject, sent, pass, peer } = start()
      const sk = establish()
      host.tcp.close(sk)
      inject('F. 1:1(0) ack 2 win 65535')
      sent()
      pass(1000)
      inject('F. 1:1(0) ack 2 win 65535')
      expect(sent()).toEqual(['. 2:2(0) ack 2'])
      const listener = host.serve(80, () => {})
      peer.isn += 100_000
      inject('S 0:0(0) win 65535', { mss: 1460 })
      expect(sent()).toEqual(['S. 0:0(0) ack 1 <mss>'])
      host.tcp.close(listener)
      pass(100_000)
      expect(host.leaks()).toEqual(NO_LEAKS)
    })
    test.each([
      ['TIME_WAIT', 'F. 1:1(0) ack 2 win 65535', TCP_TIME_WAIT],
      ['CLOSING', 'F. 1:1(0) ack 1 win 65535', TCP_CLOSING],
    ] as const)('a closed socket in %s holds no memory: not even the FIN', (_what, text, then) => {
      const { host, establish, inject, sent, state, finish } = start()
      const sk = establish()
      host.tcp.close(sk)
      sent()
      inject(text)
      sent()
      expect(state(sk)).toBe(then)
      expect(host.i32[sk + SK_RMEM]).toBe(0)
      expect(host.i32[sk + SK_RCVQ_HEAD]).toBe(0)
      finish()
    })
    test('TIME_WAIT gives way when there is no row left', () => {
      const { host, establish, inject, finish } = start({ config: { socks: 4 } })
      const sk = establish()
      host.tcp.close(sk)
      inject('F. 1:1(0) ack 2 win 65535')
      const sockets = [1, 2, 3, 4].map(() => host.tcp.open(family))
      expect(sockets.every((s) => s !== 0)).toBe(true)
      expect(host.mib('TcpExtTWRecycled')).toBe(1)
      finish(...sockets)
    })
    test('abort tells the peer, and the holder gets ECONNABORTED', () => {
      const { host, establish, sent, read, finish } = start()
      const sk = establish()
      host.tcp.abort(sk)
      expect(sent()).toEqual(['R. 1:1(0) ack 1'])
      expect(read(sk)).toBe(-103)
      finish(sk)
    })
  })

  describe('resets, challenges and old segments (RFC 5961, RFC 7323)', () => {
    test('only a RST at exactly rcv_nxt resets', () => {
      const { host, establish, inject, sent, read, pass, state, finish } = start()
      const sk = establish()
      inject('R 2:2(0)')
      expect(state(sk)).toBe(TCP_ESTABLISHED)
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      expect(host.mib('TcpExtTCPChallengeACK')).toBe(1)
      inject('R 3:3(0)')
      expect(sent()).toEqual([])
      expect(host.mib('TcpExtTCPACKSkippedChallenge')).toBe(1)
      pass(600)
      inject('R 200000:200000(0)')
      expect(sent()).toEqual([])
      inject('R 1:1(0)')
      expect(state(sk)).toBe(TCP_CLOSE)
      expect(read(sk)).toBe(-104)
      expect(host.mib('TcpEstabResets')).toBe(1)
      finish(sk)
    })
    test('old text is answered each time, what is empty not more often than the limit says', () => {
      const { inject, establish, sent, host, finish } = start()
      const sk = establish()
      inject('P. 1:101(100) ack 1 win 65535')
      host.tcp.recvBytes(sk, new Uint8Array(200), 0, 200)
      sent()
      for (let n = 0; n < 3; n++) inject('P. 1:101(100) ack 1 win 65535')
      expect(sent().length).toBe(3)
      expect(host.mib('TcpExtTCPACKSkippedSeq')).toBe(0)
      for (let n = 0; n < 3; n++) inject('. 0:0(0) ack 1 win 65535')
      expect(sent().length).toBe(1)
      expect(host.mib('TcpExtTCPACKSkippedSeq')).toBe(2)
      finish(sk)
    })
    test('a SYN in an established connection is challenged', () => {
      const { host, establish, inject, sent, finish } = start()
      const sk = establish()
      inject('S 1:1(0) win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      expect(host.mib('TcpExtTCPSYNChallenge')).toBe(1)
      finish(sk)
    })
    test('an acknowledgement of the future, or of long ago, is challenged and the text dropped', () => {
      const { establish, inject, sent, read, pass, finish } = start()
      const sk = establish()
      inject('P. 1:11(10) ack 5000 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      pass(600)
      inject('P. 1:11(10) ack -70000 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      expect(read(sk)).toBe(-11)
      finish(sk)
    })
    test('a segment outside the window is answered by an ACK and dropped', () => {
      const { host, establish, inject, sent, finish } = start()
      const sk = establish()
      inject('P. 500000:500010(10) ack 1 win 65535')
      expect(sent()).toEqual(['. 1:1(0) ack 1'])
      expect(host.drops('TCP_INVALID_SEQUENCE')).toBe(1)
      finish(sk)
    })
    test('PAWS drops a segment with an older timestamp', () => {
      const { host, establish, inject, sent, read, finish } = start()
      const sk = establish(ALL)
      inject('P. 1:11(10) ack 1 win 500', { ts: [6000, 0] })
      inject('P. 11:21(10) ack 1 win 500', { ts: [5500, 0] })
      expect(host.mib('TcpExtPAWSEstab')).toBe(1)
      expect(read(sk)).toBe(10)
      inject('P. 11:21(10) ack 1 win 500', { ts: [6001, 0] })
      expect(read(sk)).toBe(10)
      sent()
      finish(sk)
    })
    test('minimum hop limit', () => {
      const { host, establish, inject, read, finish } = start()
      const sk = establish()
      const [level, name] = family === AF_INET ? [0, 21] : [41, 73]
      const [otherLevel, otherName] = family === AF_INET ? [41, 73] : [0, 21]
      // IPv4 has no options of IPv6
      const refused = family === AF_INET ? -92 : 0
      expect(host.sockets.setsockopt(sk, otherLevel!, otherName!, 255)).toBe(refused)
      inject('P. 1:11(10) ack 1 win 500', { ttl: 64 })
      expect(read(sk)).toBe(10)
      expect(host.sockets.setsockopt(sk, level!, name!, 256)).toBe(-22)
      expect(host.sockets.setsockopt(sk, level!, name!, 255)).toBe(0)
      expect(host.sockets.getsockopt(sk, level!, name!)).toBe(255)
      inject('P. 11:21(10) ack 1 win 500', { ttl: 254 })
      expect(read(sk)).toBe(-11)
      expect(host.drops('TCP_MINTTL')).toBe(1)
      expect(host.mib('TcpExtTCPMinTTLDrop')).toBe(1)
      inject('P. 11:21(10) ack 1 win 500', { ttl: 255 })
      expect(read(sk)).toBe(10)
      finish(sk)
    })
    test('a listener with one hears nobody from further away, and gives it to its connections', () => {
      const { host, inject, sent, finish } = start()
      let child = 0
      const listener = host.serve(80, (sk) => {
        child = sk
      })
      const [level, name] = family === AF_INET ? [0, 21] : [41, 73]
      host.sockets.setsockopt(listener, level!, name!, 255)
      inject('S 0:0(0) win 65535', { mss: 1460, ttl: 254 })
      inject('. 1:1(0) ack 1 win 65535', { ttl: 254 })
      inject('R 1:1(0)', { ttl: 254 })
      expect(sent()).toEqual([])
      expect(host.mib('TcpExtTCPMinTTLDrop')).toBe(3)
      inject('S 0:0(0) win 65535', { mss: 1460, ttl: 255 })
      inject('. 1:1(0) ack 1 win 65535', { ttl: 255 })
      expect(host.sockets.getsockopt(child, level!, name!)).toBe(255)
      finish(child, listener)
    })
    test('a request has none, but what is no ACK of its SYN-ACK is for the listener, who has one', () => {
      const { host, inject, sent, finish } = start()
      let child = 0
      const listener = host.serve(80, (sk) => {
        child = sk
      })
      const [level, name] = family === AF_INET ? [0, 21] : [41, 73]
      inject('S 0:0(0) win 65535', { mss: 1460, ttl: 64 })
      expect(sent()).toHaveLength(1)
      host.sockets.setsockopt(listener, level!, name!, 255)
      inject('. 1:1(0) ack 2 win 65535', { ttl: 64 })
      expect(sent()).toEqual([])
      expect(host.mib('TcpExtTCPMinTTLDrop')).toBe(1)
      inject('. 1:1(0) ack 2 win 65535', { ttl: 255 })
      expect(sent()).toEqual(['R 2:2(0)'])
      inject('. 1:1(0) ack 1 win 65535', { ttl: 64 })
      expect(child).not.toBe(0)
      finish(child, listener)
    })
  })

  describe('ICMP errors', () => {
    const quote = (script: ReturnType<typeof start>, sk: number) => {
      const fl = createFlowi()
      fl.set(address(family, 2), FL_SADDR)
      fl.set(address(family, 1), FL_DADDR)
      fl[FL_SPORT] = script.peer.port
      fl[FL_DPORT] = script.portOf(sk)
      return fl
    }
    test('unreachable ends an attempt, but not a connection', () => {
      const script = start()
      const { host, establish, state, finish } = script
      const sk = establish()
      const message = host.skbs.alloc(0, 0)
      host.tcp.tcpError(quote(script, sk), 113, NO_MTU, host.i32[sk + 84]!, false, false, message)
      expect(state(sk)).toBe(TCP_ESTABLISHED)
      const dialing = host.dial(address(family, 2), 4000)
      script.peer.port = 4000
      host.tcp.tcpError(
        quote(script, dialing),
        111,
        NO_MTU,
        host.i32[dialing + 84]!,
        false,
        false,
        message
      )
      expect(state(dialing)).toBe(TCP_CLOSE)
      host.skbs.free(message)
      finish(sk, dialing)
    })
    test('a smaller path MTU makes smaller segments, and what was too big goes again', () => {
      const script = start()
      const { host, establish, write, sent, finish } = script
      const sk = establish()
      write(sk, 2000)
      sent()
      const una = host.i32[sk + 84]!
      host.tcp.tcpError(quote(script, sk), 90, 1300, una + 1_000_000, false, false, 0)
      expect(host.mib('TcpExtOutOfWindowIcmps')).toBe(1)
      expect(sent()).toEqual([])
      host.tcp.tcpError(quote(script, sk), 90, 1300, una, false, false, 0)
      const size = 1300 - (family === AF_INET ? 40 : 60)
      expect(sent()[0]).toBe(`. 1:${1 + size}(${size}) ack 1`)
      finish(sk)
    })
  })
})
