// What scripts (test/scripts/rfc7413-client-*) cannot show of Fast Open's client: bytes, memory, counters, what fails below.

import { expect, test } from 'bun:test'
import { Errno } from '../../../../../core/base/errno.ts'
import { createDrop } from '../../../../../core/skb/drop.ts'
import { createSkbs } from '../../../../../core/skb/skbs.ts'
import {
  AppOp,
  CLOSE_ABORT,
  CLOSE_DRAIN,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_LEN,
  E_OP,
  E_PORT,
  E_SKB,
} from '../../../../../core/socket/app-constants.ts'
import { createAppRings } from '../../../../../core/socket/app-rings.ts'
import { SOCK_STREAM } from '../../../../../core/socket/sock.ts'
import {
  MSG_DONTWAIT,
  MSG_FASTOPEN,
  SHUT_WR,
  TCP_FASTOPEN_CONNECT,
} from '../../../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import { address, FAMILIES, type HostOptions, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpPair } from '../../../../support/tcp-pair.ts'
import { pattern } from '../../../../../sim/net/pattern.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const PEER = 2
const client = (family: number, extra: Partial<HostOptions> = {}) => {
  const script = createTcpScript(family, extra)
  const { host, peer } = script
  host.setSysctl('tcp_fastopen', 5)
  peer.port = 80
  const open = (len: number, flags = MSG_DONTWAIT): { sk: number; result: number } => {
    const sk = host.tcp.open(family)
    const bytes = Uint8Array.from({ length: len }, (_, k) => pattern(k))
    const to = address(family, PEER)
    const result = host.tcp.sendtoBytes(sk, bytes, 0, len, to, 0, 80, flags | MSG_FASTOPEN)
    peer.toPort = script.portOf(sk)
    return { sk, result }
  }
  return { ...script, open }
}

test.each(FAMILIES)('%s: the text of a SYN reaches a listener that takes it', (_, family) => {
  const pair = createTcpPair({ family })
  for (const host of [pair.a, pair.b]) host.setSysctl('tcp_fastopen', 0x607)
  let child = 0
  const listener = pair.b.serve(80, (sk) => {
    child = sk
  })
  pair.b.setSysctl('somaxconn', 16)
  const bytes = Uint8Array.from({ length: 1000 }, (_, k) => pattern(k))
  const sk = pair.a.tcp.open(family)
  const sent = pair.a.tcp.sendtoBytes(
    sk,
    bytes,
    0,
    bytes.length,
    pair.b.address,
    0,
    80,
    MSG_FASTOPEN | MSG_DONTWAIT
  )
  expect(sent).toBe(1000)
  pair.run(100)
  const got = new Uint8Array(2000)
  expect(pair.b.tcp.recvBytes(child, got, 0, 2000)).toBe(1000)
  expect(got.subarray(0, 1000)).toEqual(bytes)
  expect(pair.a.mib('TcpExtTCPFastOpenActive')).toBe(1)
  expect(pair.b.mib('TcpExtTCPFastOpenPassive')).toBe(1)
  pair.a.tcp.close(sk)
  pair.b.tcp.close(child)
  pair.b.tcp.close(listener)
  pair.run(120_000)
  expect([pair.a.leaks(), pair.b.leaks()]).toEqual([NO_LEAKS, NO_LEAKS])
})

test.each(FAMILIES)(
  '%s: a SYN with text that nobody answers leaves nothing behind',
  (_, family) => {
    const { host, open, sent, pass } = client(family)
    host.setSysctl('tcp_syn_linear_timeouts', 0)
    const { sk, result } = open(500)
    expect([result, sent()]).toEqual([500, ['S 0:500(500) <mss,sackOK,TS,wscale>']])
    pass(300_000)
    expect(sent()).toHaveLength(6)
    expect(host.tcp.sendBytes(sk, new Uint8Array(1), 0, 1)).toBe(-Errno.ETIMEDOUT)
    expect(host.mib('TcpExtTCPFastOpenActiveFail')).toBe(1)
    host.tcp.close(sk)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
)

test.each(FAMILIES)('%s: closed before the answer, it is gone with its text', (_, family) => {
  const { host, open, sent } = client(family)
  const { sk } = open(500)
  host.tcp.close(sk)
  sent()
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('what cannot be sent with the SYN is sent behind it, and counts as written', () => {
  let fails = 1
  const { host, open, inject, sent } = client(2, {
    sendError: () => (fails-- > 0 ? -Errno.ENOBUFS : 0),
  })
  const { sk, result } = open(500)
  expect(result).toBe(500)
  expect(sent()).toEqual(['S 0:0(0) <mss,sackOK,TS,wscale>'])
  inject('S. 0:0(0) ack 1', { mss: 1460 })
  expect(sent()).toEqual(['. 1:1(0) ack 1', 'P. 1:501(500) ack 1'])
  inject('. 1:1(0) ack 501')
  host.tcp.abort(sk)
  host.tcp.close(sk)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('a connection that waits for its first write is not opened by a SYN, and answers to nothing', () => {
  const { host, inject, sent, portOf, peer } = client(2)
  const sk = host.tcp.open(2)
  host.tcp.setOption(sk, 6, 30, 1)
  expect(host.tcp.connect(sk, address(2, PEER), 0, 80)).toBe(0)
  peer.toPort = portOf(sk)
  inject('S 0:0(0)', { mss: 1460 })
  expect(sent()).toEqual([])
  expect(host.drops('TCP_FLAGS')).toBe(1)
  inject('S. 0:0(0) ack 1', { mss: 1460 })
  expect(sent().map((text) => text.slice(0, 1))).toEqual(['R'])
  host.tcp.close(sk)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('MSG_FASTOPEN of one that is connected already: ignored once by whoever connected, refused by others', () => {
  const { host, establish, dialed, write } = client(2)
  const child = establish()
  expect(write(child, 1, MSG_FASTOPEN)).toBe(-Errno.EISCONN)
  const sk = dialed()
  expect(write(sk, 1, MSG_FASTOPEN)).toBe(1)
  expect(write(sk, 1, MSG_FASTOPEN)).toBe(-Errno.EISCONN)
  for (const each of [child, sk]) {
    host.tcp.abort(each)
    host.tcp.close(each)
  }
  expect(host.leaks()).toEqual(NO_LEAKS)
})

test('without an address there is nothing to connect to, and with one of no family neither', () => {
  const { host, write } = client(2)
  const sk = host.tcp.open(2)
  expect(write(sk, 1, MSG_FASTOPEN)).toBe(-Errno.EINVAL)
  expect(host.tcp.sendtoBytes(sk, new Uint8Array(1), 0, 1, null, 0, 80, MSG_FASTOPEN)).toBe(
    -Errno.EOPNOTSUPP
  )
  host.tcp.close(sk)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

// ---- what swallows it (tcp-fastopen-active.ts)

/** Connections that ask for a cookie: `dial` tells whether the SYN does. */
const blackholed = () => {
  const made = client(2)
  const { host, inject, sent } = made
  host.setSysctl('tcp_fastopen', 1)
  host.setSysctl('tcp_fastopen_blackhole_timeout_sec', 100)
  const dial = (): { sk: number; asks: boolean } => {
    const { sk } = made.open(0)
    const asks = sent().join().includes('FO')
    inject('S. 0:0(0) ack 1', { mss: 1460 })
    sent()
    return { sk, asks }
  }
  const finish = (sk: number): void => {
    host.tcp.abort(sk)
    host.tcp.close(sk)
    sent()
  }
  return { ...made, dial, finish, times: () => host.mib('TcpExtTCPFastOpenBlackhole') }
}
test('a RST ahead of all text is such a sign, one behind text is not', () => {
  const { host, inject, dial, finish, times } = blackholed()
  const { sk } = dial()
  inject('R 50:50(0)')
  expect(times()).toBe(1)
  inject('. 1:11(10) ack 1')
  inject('R 50:50(0)')
  expect(times()).toBe(1)
  finish(sk)
  expect(host.leaks()).toEqual(NO_LEAKS)
})
test('a FIN alone, ahead of all text, is one when the socket has ended', () => {
  const { host, inject, sent, pass, dial, times } = blackholed()
  const { sk } = dial()
  inject('F. 50:50(0) ack 1')
  expect(times()).toBe(0)
  host.tcp.close(sk)
  expect(times()).toBe(0)
  inject('R 1:1(0)')
  pass(1000)
  sent()
  expect([times(), host.leaks()]).toEqual([1, NO_LEAKS])
})
test('after its time it is tried again, and one that gets text through ends it', () => {
  const { host, inject, pass, dial, finish } = blackholed()
  const fail = (): void => {
    const { sk } = dial()
    inject('R 50:50(0)')
    finish(sk)
  }
  const asks = (): boolean => {
    const made = dial()
    finish(made.sk)
    return made.asks
  }
  fail()
  expect(asks()).toBe(false)
  pass(101_000)
  fail()
  pass(101_000)
  // twice as long now
  expect(asks()).toBe(false)
  pass(100_000)
  const works = dial()
  expect(works.asks).toBe(true)
  inject('. 1:11(10) ack 1')
  finish(works.sk)
  // and as at first again
  fail()
  pass(101_000)
  expect(asks()).toBe(true)
  expect(host.leaks()).toEqual(NO_LEAKS)
})

/** An application of the host, which has asked for a connection with TCP_FASTOPEN_CONNECT. */
const application = (family: number) => {
  const made = client(family, { config: { apps: 1 } })
  const { arena, i32, appPort, sockets, slab } = made.host
  const skbs = createSkbs(arena, arena.layout.appThread)
  const { consume } = createDrop(arena, skbs)
  const seen: string[] = []
  const rings = createAppRings({
    arena,
    app: 0,
    skbs,
    consume,
    wake: () => {},
    completion: (_worker, at) => void seen.push(`${i32[at + E_OP]} ${i32[at + E_LEN]}`),
    workerLost: () => {},
  })
  /** Both sides work; what was answered. */
  const turn = (): string[] => {
    rings.flush()
    appPort.poll()
    sockets.runEvents()
    appPort.poll()
    appPort.flush()
    rings.poll()
    return seen.splice(0)
  }
  const sid = rings.allocSid()
  const ask = (op: number, words: Record<number, number> = {}): void => {
    const at = rings.begin(0, op, sid, 0)
    for (const [word, value] of Object.entries(words)) i32[at + Number(word)] = value
    rings.commit()
  }
  const write = (len: number): void => {
    const skb = skbs.alloc(len, 0)
    skbs.put(skb, len)
    ask(AppOp.SEND, { [E_SKB]: skb })
  }
  ask(AppOp.SOCKET, { [E_ARG0]: family, [E_ARG1]: SOCK_STREAM, [E_LEN]: 65536 })
  ask(AppOp.SETSOCKOPT, { [E_ARG0]: IPPROTO_TCP, [E_ARG1]: TCP_FASTOPEN_CONNECT, [E_ARG2]: 1 })
  const to = Object.fromEntries([...address(family, PEER)].map((word, w) => [E_ADDR + w, word]))
  ask(AppOp.CONNECT, { [E_PORT]: 80, ...to })
  expect(turn()).toEqual([`${AppOp.SOCKET} 0`, `${AppOp.SETSOCKOPT} 0`, `${AppOp.CONNECT} 0`])
  made.peer.toPort = made.portOf(slab.at(0))
  const finish = (): void => {
    ask(AppOp.CLOSE, { [E_ARG0]: CLOSE_ABORT })
    turn()
    made.sent()
    expect(made.host.leaks()).toMatchObject({ socks: 0, timers: 0 })
  }
  return { ...made, ask, write, turn, finish }
}
test.each(FAMILIES)('%s: what an application writes first goes with the SYN', (_, family) => {
  const { inject, sent, write, turn, finish } = application(family)
  expect(sent()).toEqual([])
  write(1000)
  write(900)
  expect(turn()).toEqual([`${AppOp.SEND} 1000`])
  expect(sent()).toEqual(['S 0:1000(1000) <mss,sackOK,TS,wscale>'])
  inject('S. 0:0(0) ack 1001', { mss: 1460 })
  turn()
  // what was written meanwhile answers the SYN-ACK
  expect(sent()).toEqual(['P. 1001:1901(900) ack 1'])
  finish()
})
test.each([
  ['SHUTDOWN', AppOp.SHUTDOWN, { [E_LEN]: SHUT_WR }],
  ['CLOSE', AppOp.CLOSE, { [E_ARG0]: CLOSE_DRAIN }],
])('an application that ends it at once (%s) is heard all the same', (_, op, words) => {
  const { inject, sent, ask, write, turn, host, pass } = application(2)
  write(700)
  ask(op, words)
  expect(turn()).toEqual([`${AppOp.SEND} 700`])
  expect(sent()).toEqual(['S 0:700(700) <mss,sackOK,TS,wscale>'])
  inject('S. 0:0(0) ack 701', { mss: 1460 })
  expect(turn()).toEqual([`${op} 0`])
  // the end answers the SYN-ACK
  expect(sent()).toEqual(['F. 701:701(0) ack 1'])
  inject('R 1:1(0)')
  if (op !== AppOp.CLOSE) ask(AppOp.CLOSE, { [E_ARG0]: CLOSE_ABORT })
  turn()
  pass(1000)
  expect(host.leaks()).toMatchObject({ socks: 0, timers: 0 })
})
test('an application that ends it without a word has it opened first', () => {
  const { inject, sent, ask, turn, finish } = application(2)
  ask(AppOp.SHUTDOWN, { [E_LEN]: SHUT_WR })
  expect(turn()).toEqual([])
  expect(sent()).toEqual(['S 0:0(0) <mss,sackOK,TS,wscale>'])
  inject('S. 0:0(0) ack 1', { mss: 1460 })
  expect(turn()).toEqual([`${AppOp.SHUTDOWN} 0`])
  expect(sent().at(-1)).toBe('F. 1:1(0) ack 1')
  finish()
})
