import { reno } from '../../../../../core/transport/tcp/cong/tcp-reno.ts'
import { expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { Errno } from '../../../../../core/base/errno.ts'
import { Sysctl } from '../../../../../core/shm/sysctl.ts'
import {
  CA_EVENT_CWND_RESTART,
  CA_EVENT_LOSS,
  CA_EVENT_TX_START,
  type CongestionControl,
} from '../../../../../core/transport/tcp/cong/tcp-cong.ts'
import {
  RS_ACKED_SACKED,
  RS_LOSSES,
  RS_PRIOR_IN_FLIGHT,
  RS_RTT_US,
} from '../../../../../core/transport/tcp/ack/tcp-rate.ts'
import { tcpInfo } from '../../../../../core/transport/tcp/sock/tcp-info.ts'
import { TCP_CONGESTION } from '../../../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import {
  TCP_CA_LOSS,
  TP_CA_PRIV,
  TP_SND_CWND,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'
import { NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

/** A window of three, whatever happens; it notes in the row and here what it is told. */
const createThree = () => {
  const told: unknown[] = []
  const three: CongestionControl = {
    name: 'three',
    info: (i32, sk) => ({ own: i32[sk + TP_CA_PRIV]! }),
    create: ({ i32 }) => ({
      init: (sk) => {
        expect(i32[sk + TP_CA_PRIV]).toBe(0)
        i32[sk + TP_CA_PRIV] = 3
        i32[sk + TP_SND_CWND] = 3
        told.push('init')
      },
      release: () => told.push('release'),
      ssthresh: () => 3,
      congAvoid: (sk, ack, acked) => {
        told.push(['avoid', ack, acked])
        i32[sk + TP_SND_CWND] = i32[sk + TP_CA_PRIV]!
      },
      setState: (_sk, state) => told.push(['state', state]),
      cwndEvent: (_sk, event) => told.push(['event', event]),
      pktsAcked: (_sk, acked, rttUs, inFlight) => told.push(['acked', acked, rttUs, inFlight]),
      undoCwnd: () => 3,
    }),
  }
  return { told, three, controls: [reno, three] }
}
const nameWords = (name: string): Int32Array => {
  const bytes = new Uint8Array(16)
  bytes.set(new TextEncoder().encode(name))
  return new Int32Array(bytes.buffer)
}
const start = (congestion: readonly CongestionControl[], byDefault = 0) => {
  const script = createTcpScript(AF_INET, { congestion })
  const { host } = script
  host.i32[host.arena.layout.sysctl + Sysctl.tcp_congestion_control] = byDefault
  const nameOf = (sk: number): string => {
    const words = new Int32Array(4)
    expect(host.tcp.getNameOption(sk, IPPROTO_TCP, TCP_CONGESTION, words, 0)).toBe(16)
    return new TextDecoder().decode(new Uint8Array(words.buffer)).replaceAll('\0', '')
  }
  const choose = (sk: number, name: string): number =>
    host.tcp.setNameOption(sk, IPPROTO_TCP, TCP_CONGESTION, nameWords(name), 0, 16)
  return { ...script, nameOf, choose }
}

test('an algorithm has the window, its words of the row, and hears of everything', () => {
  const { told, controls } = createThree()
  const { host, establish, write, sent, inject, pass, nameOf } = start(controls, 1)
  const sk = establish({ mss: 1000 })
  expect(nameOf(sk)).toBe('three')
  expect(told.splice(0)).toEqual(['init'])
  expect(tcpInfo(host.arena, sk, 0, controls)).toMatchObject({
    cong: 'three',
    cong_info: { own: 3 },
  })
  write(sk, 10_000)
  expect(sent().length).toBe(3)
  expect(told.splice(0)).toEqual([['event', CA_EVENT_TX_START]])
  pass(20)
  const una = host.i32[sk + 84]!
  inject('. 1:1(0) ack 2001 win 65535')
  expect(told.splice(0)).toEqual([
    ['acked', 2, 20_000, 3],
    ['avoid', (una + 2000) | 0, 2],
  ])
  expect(sent().length).toBe(2)
  // the timer fires
  pass(1000)
  expect(told).toContainEqual(['event', CA_EVENT_LOSS])
  expect(told).toContainEqual(['state', TCP_CA_LOSS])
  for (let ack = 3001; ack <= 10_001; ack += 1000) inject(`. 1:1(0) ack ${ack} win 65535`)
  pass(5000)
  told.length = 0
  write(sk, 100)
  expect(told).toEqual([
    ['event', CA_EVENT_CWND_RESTART],
    ['event', CA_EVENT_TX_START],
  ])
  told.length = 0
  host.tcp.abort(sk)
  host.tcp.close(sk)
  pass(200_000)
  expect(told).toEqual(['release'])
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('one that controls everything gets a sample of each acknowledgement', () => {
  const samples: number[][] = []
  const { three } = createThree()
  const whole: CongestionControl = {
    name: 'whole',
    create: (deps) => ({
      ...three.create(deps),
      congAvoid: () => {
        throw new Error('has congControl')
      },
      congControl: (_sk, _ack, sample) =>
        samples.push(
          [RS_ACKED_SACKED, RS_LOSSES, RS_PRIOR_IN_FLIGHT, RS_RTT_US].map((word) => sample[word]!)
        ),
    }),
  }
  const { host, establish, write, inject, pass } = start([whole])
  host.setSysctl('tcp_early_retrans', 0)
  const sk = establish({ mss: 1000, sackOk: true })
  samples.length = 0
  write(sk, 10_000)
  pass(10)
  inject('. 1:1(0) ack 1001 win 65535')
  inject('. 1:1(0) ack 1001 win 65535', { sack: [[2001, 4001]] })
  expect(samples).toEqual([
    [1, 0, 3, 10_000],
    // what lies before the two was sent before them, and on this path nothing takes time: it is lost
    [2, 1, 3, 0],
  ])
  host.tcp.abort(sk)
  host.tcp.close(sk)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('TCP_CONGESTION chooses one by its name, also for the children of a listener', () => {
  const { told, controls } = createThree()
  const { host, inject, choose, nameOf, pass } = start(controls)
  let child = 0
  const listener = host.serve(80, (sk) => {
    child = sk
  })
  expect(nameOf(listener)).toBe('reno')
  expect(choose(listener, 'bbr')).toBe(-Errno.ENOENT)
  expect(choose(listener, 'thre')).toBe(-Errno.ENOENT)
  expect(choose(listener, 'three')).toBe(0)
  inject('S 0:0(0) win 65535', { mss: 1000 })
  inject('. 1:1(0) ack 1 win 65535')
  expect(nameOf(child)).toBe('three')
  expect(told.splice(0)).toEqual(['init'])
  // and of a living connection
  expect(choose(child, 'reno')).toBe(0)
  expect(told.splice(0)).toEqual(['release'])
  expect(choose(child, 'three')).toBe(0)
  expect(told.splice(0)).toEqual(['init'])
  host.tcp.abort(child)
  host.tcp.close(child)
  host.tcp.close(listener)
  pass(200_000)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('a listener that was told nothing gives its children what new sockets get', () => {
  const { controls } = createThree()
  const { host, inject, nameOf, pass } = start(controls)
  let child = 0
  const listener = host.serve(80, (sk) => {
    child = sk
  })
  host.i32[host.arena.layout.sysctl + Sysctl.tcp_congestion_control] = 1
  inject('S 0:0(0) win 65535', { mss: 1000 })
  inject('. 1:1(0) ack 1 win 65535')
  expect([nameOf(listener), nameOf(child)]).toEqual(['reno', 'three'])
  host.tcp.abort(child)
  host.tcp.close(child)
  host.tcp.close(listener)
  pass(200_000)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('what is not allowed may not be chosen by a socket', () => {
  const { controls } = createThree()
  const { host, choose } = start(controls)
  const sk = host.tcp.open(AF_INET)
  host.i32[host.arena.layout.sysctl + Sysctl.tcp_allowed_congestion_control] = 1
  expect(choose(sk, 'three')).toBe(-Errno.EPERM)
  expect(choose(sk, 'reno')).toBe(0)
  host.tcp.close(sk)
})
