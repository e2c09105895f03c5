// Losses found by time (RFC 8985), probes of a lost tail, timeouts that were none (RFC 5682): one TCP, the test is its peer.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import {
  TCP_CA_CWR,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TP_CA_STATE,
  TP_MIN_RTT_US,
  TP_RACK_REO_STEPS,
  TP_RTO,
  TP_SND_CWND,
  TP_SRTT_US,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const RTT_MS = 40
const SACK = { mss: 1000, sackOk: true }

/** A connection over a path of 40 ms that has written `len` octets; ten segments are on their way. */
const flight = (len: number, options: object = SACK, probes = 3) => {
  const script = createTcpScript(AF_INET)
  const { host, write, sent } = script
  host.setSysctl('tcp_early_retrans', probes)
  const sk = script.establish(options)
  host.i32[sk + TP_MIN_RTT_US] = RTT_MS * 1000
  host.i32[sk + TP_SRTT_US] = (RTT_MS * 1000) << 3
  write(sk, len)
  expect(sent().length).toBe(Math.min(10, len / 1000))
  const state = (): number => host.i32[sk + TP_CA_STATE]!
  const ack = (upTo: number, ...sack: [number, number][]): void =>
    script.inject(`. 1:1(0) ack ${upTo} win 65535`, sack.length === 0 ? {} : { sack })
  const finish = (): void => {
    host.tcp.abort(sk)
    host.tcp.close(sk)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
  return { ...script, sk, state, ack, finish }
}

describe('RACK', () => {
  test('a retransmission that is lost is sent again when what was sent after it arrives', () => {
    const { host, pass, ack, sent, state, finish } = flight(30_000)
    pass(RTT_MS)
    ack(1, [1001, 5001])
    expect(sent()).toEqual(['. 1:1001(1000) ack 1', '. 10001:11001(1000) ack 1'])
    expect(state()).toBe(TCP_CA_RECOVERY)
    // the rest of the flight arrives, and new data goes
    ack(1, [1001, 10_001])
    expect(sent()[0]).toBe('. 11001:12001(1000) ack 1')
    pass(RTT_MS)
    ack(1, [1001, 11_001])
    expect(sent()[0]).toBe('. 1:1001(1000) ack 1')
    expect(host.mib('TcpExtTCPLostRetransmit')).toBe(1)
    expect(host.mib('TcpExtTCPTimeouts')).toBe(0)
    finish()
  })

  test('a hole waits a quarter of the round trip, and goes again when it was not filled by then', () => {
    const { host, pass, ack, sent, finish } = flight(10_000)
    pass(RTT_MS)
    ack(1, [1001, 2001])
    pass(3)
    expect(sent()).toEqual([])
    pass(10)
    expect(sent()[0]).toBe('. 1:1001(1000) ack 1')
    expect(host.mib('TcpExtTCPSackRecovery')).toBe(1)
    finish()
  })

  test('a hole that fills in time was reordering, and costs nothing', () => {
    const { host, sk, pass, ack, sent, state, finish } = flight(10_000)
    pass(RTT_MS)
    ack(1, [1001, 2001])
    pass(3)
    ack(2001)
    pass(30)
    expect([host.mib('TcpRetransSegs'), host.mib('TcpExtTCPSACKReorder')]).toEqual([0, 1])
    expect([state(), host.i32[sk + TP_SND_CWND]! >= 10]).toEqual([TCP_CA_OPEN, true])
    expect(sent()).toEqual([])
    // from now on three later ones are no proof by themselves
    ack(2001, [3001, 6001])
    expect(sent()).toEqual([])
    finish()
  })

  test('duplicates that were not needed do not widen the window where nothing was reordered', () => {
    const { host, sk, pass, ack, sent, finish } = flight(10_000)
    pass(RTT_MS)
    ack(1, [1001, 5001])
    expect(sent()).toEqual(['. 1:1001(1000) ack 1'])
    // the first was only late; then its copy comes, and of what was not sent again another
    ack(5001)
    ack(5001, [1, 1001])
    ack(5001, [1001, 2001])
    expect([host.mib('TcpExtTCPDSACKRecv'), host.mib('TcpExtTCPDSACKRecvSegs')]).toEqual([2, 1])
    expect(host.mib('TcpExtTCPDSACKIgnoredDubious')).toBe(1)
    ack(6001)
    // nothing was seen to come in another order: there is nothing to wait for
    expect(host.i32[sk + TP_RACK_REO_STEPS]).toBe(1)
    finish()
  })

  test('where reordering was seen, duplicates that were not needed widen the window, a step in each round', () => {
    const { host, sk, pass, ack, sent, finish } = flight(10_000)
    pass(RTT_MS)
    ack(1, [1001, 2001])
    pass(3)
    ack(2001)
    expect(host.mib('TcpExtTCPSACKReorder')).toBe(1)
    ack(2001, [3001, 6001])
    pass(RTT_MS)
    expect(sent()).toContain('. 2001:3001(1000) ack 1')
    ack(6001)
    const steps = (): number => host.i32[sk + TP_RACK_REO_STEPS]!
    ack(6001, [2001, 3001])
    // it delivers nothing that would say which round this is: the next does
    expect(steps()).toBe(1)
    ack(7001)
    expect(steps()).toBe(2)
    finish()
  })
})

describe('a tail loss probe', () => {
  test('is the last segment again, two round trips after it, and shows what is missing', () => {
    const { host, sk, pass, ack, sent, state, finish } = flight(3000)
    pass(2 * RTT_MS)
    expect(sent()).toEqual([])
    pass(5)
    expect(sent()).toEqual(['P. 2001:3001(1000) ack 1'])
    expect([host.mib('TcpExtTCPLossProbes'), host.mib('TcpExtTCPTimeouts')]).toEqual([1, 0])
    pass(RTT_MS)
    ack(1, [2001, 3001])
    expect(state()).toBe(TCP_CA_RECOVERY)
    expect(sent()[0]).toBe('. 1:1001(1000) ack 1')
    expect(host.i32[sk + TP_RTO]).toBeGreaterThan(0)
    finish()
  })

  test('is new data where there is some', () => {
    const { host, pass, sent, finish } = flight(12_000)
    pass(2 * RTT_MS + 5)
    expect(sent()).toEqual(['. 10001:11001(1000) ack 1'])
    expect([host.mib('TcpExtTCPLossProbes'), host.mib('TcpRetransSegs')]).toEqual([1, 0])
    finish()
  })

  test('that mends a loss halves the window once; one that was in vain does not', () => {
    for (const isNeeded of [true, false]) {
      const { host, sk, pass, ack, write, take, state, finish } = flight(3000)
      pass(2 * RTT_MS + 5)
      take()
      if (isNeeded) ack(3001)
      else ack(3001, [2001, 3001])
      write(sk, 1000)
      ack(4001)
      expect(host.mib('TcpExtTCPLossProbeRecovery')).toBe(isNeeded ? 1 : 0)
      expect(host.i32[sk + TP_SND_CWND]! < 10).toBe(isNeeded)
      expect(state() === TCP_CA_CWR).toBe(false)
      finish()
    }
  })

  test('is not sent where the sysctl says so, nor without SACK', () => {
    for (const options of [SACK, { mss: 1000 }]) {
      const script = flight(3000, options, options === SACK ? 0 : 3)
      script.pass(2 * RTT_MS + 10)
      expect(script.host.mib('TcpExtTCPLossProbes')).toBe(0)
      script.finish()
    }
  })
})

describe('F-RTO', () => {
  /** The timer has fired, and the first segment went again. */
  const timedOut = () => {
    const made = flight(20_000, SACK, 0)
    made.pass(250)
    expect(made.sent()).toContain('. 1:1001(1000) ack 1')
    return made
  }
  test('new data goes first; an answer to what was sent once shows that the timeout was spurious', () => {
    const { host, sk, ack, sent, state, finish } = timedOut()
    const cwnd = host.i32[sk + TP_SND_CWND]!
    expect(cwnd).toBeLessThan(3)
    ack(1001)
    expect(sent().every((segment) => !segment.startsWith('. 1001:'))).toBe(true)
    ack(3001)
    expect(host.mib('TcpExtTCPSpuriousRTOs')).toBe(1)
    expect(state()).toBe(TCP_CA_OPEN)
    expect(host.i32[sk + TP_SND_CWND]).toBeGreaterThanOrEqual(10)
    finish()
  })
  test('when only the new data is reported, the old is lost indeed', () => {
    const { host, ack, sent, finish } = timedOut()
    ack(1001)
    sent()
    ack(1001, [11_001, 12_001])
    expect(sent()).toContain('. 1001:2001(1000) ack 1')
    expect(host.mib('TcpExtTCPSpuriousRTOs')).toBe(0)
    finish()
  })
})
