// SYN cookies: when they are given out, what they say, who takes them. What a connection of one is like on the wire is in
// test/scripts/rfc4987-*.pkt.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../../core/base/family.ts'
import { FAMILIES, NO_LEAKS } from '../../../../support/tcp-host.ts'
import { createTcpScript, type Injected } from '../../../../support/tcp-script.ts'
import { TP_MSS_CLAMP } from '../../../../../core/transport/tcp/sock/tcp-sock.ts'

const MINUTE = 65_536

const listening = (family: number, backlog = 4, mode = 1) => {
  const script = createTcpScript(family)
  const { host, inject, take, pass } = script
  host.setSysctl('tcp_syncookies', mode)
  const children: number[] = []
  const listener = host.serve(80, (child) => children.push(child), backlog)
  const syn = (port: number, extras: Injected = { mss: 1460 }) => {
    inject('S 0:0(0) win 65535', { ...extras, port })
    return take()
  }
  /** Answers the SYN-ACK of that port. */
  const answer = (port: number, isn: number, extras: Injected = {}) => {
    inject(`. 1:1(0) ack ${isn + 1} win 65535`, { ...extras, port })
    return take().map(({ text }) => text.split(' ')[0])
  }
  const finish = (): void => {
    for (const child of children) {
      host.tcp.abort(child)
      host.tcp.close(child)
    }
    host.tcp.close(listener)
    pass(200_000)
    expect(host.leaks()).toEqual(NO_LEAKS)
  }
  return { ...script, listener, children, syn, answer, finish }
}
type Listening = ReturnType<typeof listening>
/** Fills the queue of requests. */
const fill = ({ syn }: Listening, backlog = 4): void => {
  for (let port = 1; port <= backlog + 1; port++) expect(syn(port)).toHaveLength(1)
}
const cookies = ({ host }: Listening): Record<string, number> => ({
  full: host.mib('TcpExtTCPReqQFullDoCookies'),
  sent: host.mib('TcpExtSyncookiesSent'),
  recv: host.mib('TcpExtSyncookiesRecv'),
  failed: host.mib('TcpExtSyncookiesFailed'),
  drops: host.mib('TcpExtListenDrops'),
})

describe.each(FAMILIES)('%s', (_, family) => {
  test('while there is a place for it a request is kept', () => {
    const it = listening(family)
    fill(it)
    expect(it.host.slab.live()).toBe(1 + 5)
    expect(cookies(it)).toMatchObject({ sent: 0, full: 0 })
    it.finish()
  })
  test('a full queue answers with a cookie and keeps nothing; the ACK makes the connection', () => {
    const it = listening(family)
    fill(it)
    const [synAck] = it.syn(100)
    expect(it.host.slab.live()).toBe(1 + 5)
    it.pass(500)
    expect(it.answer(100, synAck!.seq)).toEqual([])
    expect(it.children).toHaveLength(1)
    expect(it.host.mib('TcpPassiveOpens')).toBe(1)
    expect(cookies(it)).toEqual({ full: 1, sent: 1, recv: 1, failed: 0, drops: 0 })
    expect(it.write(it.children[0]!, 100)).toBe(100)
    expect(it.take().map(({ len }) => len)).toEqual([100])
    it.finish()
  })
  test('with tcp_syncookies 0 a full queue drops the SYN', () => {
    const it = listening(family, 4, 0)
    fill(it)
    expect(it.syn(100)).toEqual([])
    expect(it.host.mib('TcpExtTCPReqQFullDrop')).toBe(1)
    expect(it.host.drops('TCP_LISTEN_OVERFLOW')).toBe(1)
    expect(cookies(it)).toMatchObject({ sent: 0, full: 0, drops: 1 })
    expect(it.host.slab.live()).toBe(1 + 5)
    it.finish()
  })
  test('and the last quarter of tcp_max_syn_backlog is for peers that are known', () => {
    const it = listening(family, 100, 0)
    it.host.setSysctl('tcp_max_syn_backlog', 8)
    for (let port = 1; port <= 7; port++) expect(it.syn(port)).toHaveLength(1)
    expect(it.syn(8)).toEqual([])
    expect(cookies(it)).toMatchObject({ drops: 1 })
    expect(it.host.mib('TcpExtTCPReqQFullDrop')).toBe(0)
    // with cookies it is not asked for
    it.host.setSysctl('tcp_syncookies', 1)
    expect(it.syn(8)).toHaveLength(1)
    expect(cookies(it)).toMatchObject({ sent: 0 })
    it.finish()
  })
  test('of the quarter of the rows that requests may have one listener takes four fifths', () => {
    const it = listening(family, 100)
    for (let port = 1; port <= 20; port++) expect(it.syn(port)).toHaveLength(1)
    const kept = Math.ceil((it.host.slab.rows / 4) * 0.8)
    expect(it.host.slab.live()).toBe(1 + kept)
    expect(cookies(it)).toMatchObject({ sent: 20 - kept, full: 20 - kept })
    it.finish()
  })
  test('with tcp_syncookies 2 no request is kept at all', () => {
    const it = listening(family, 4, 2)
    for (let port = 1; port <= 100; port++) expect(it.syn(port)).toHaveLength(1)
    expect(it.host.slab.live()).toBe(1)
    expect(cookies(it)).toMatchObject({ sent: 100 })
    it.finish()
  })
  test('a full accept queue gives out none, and takes none', () => {
    const it = listening(family, 0, 2)
    const second = it.host.tcp.open(family)
    it.host.tcp.bind(second, new Int32Array(4), 0, 81)
    it.host.tcp.listen(second, 4)
    const toPort = 81
    const [first] = it.syn(1, { mss: 1460, toPort })
    it.answer(1, first!.seq, { toPort })
    const [late] = it.syn(2, { mss: 1460, toPort })
    it.host.tcp.listen(second, 0)
    expect(it.syn(3, { mss: 1460, toPort })).toEqual([])
    expect(it.host.mib('TcpExtListenOverflows')).toBe(1)
    expect(it.answer(2, late!.seq, { toPort })).toEqual([])
    expect(it.host.mib('TcpExtListenOverflows')).toBe(2)
    expect(cookies(it)).toMatchObject({ recv: 2, drops: 2 })
    // there is room again: what comes again is taken
    const child = it.host.tcp.accept(second)
    expect(it.answer(2, late!.seq, { toPort })).toEqual([])
    expect(it.host.mib('TcpPassiveOpens')).toBe(2)
    it.host.tcp.abort(child)
    it.host.tcp.close(child)
    it.host.tcp.close(second)
    it.finish()
  })
  test('a cookie is good for its minute and the next', () => {
    const it = listening(family, 4, 2)
    const [first] = it.syn(1)
    // from here a minute lasts so long
    const left = MINUTE - (Math.floor(it.nowMs()) % MINUTE)
    it.pass(left + MINUTE - 2)
    expect(it.answer(1, first!.seq)).toEqual([])
    expect(it.children).toHaveLength(1)
    const [second] = it.syn(2)
    it.pass(2 + MINUTE)
    it.syn(3)
    expect(it.answer(2, second!.seq)).toEqual(['R'])
    expect(it.children).toHaveLength(1)
    expect(cookies(it)).toMatchObject({ recv: 1, failed: 1 })
    it.finish()
  })
  test('where none was given out lately none is looked for', () => {
    const it = listening(family)
    expect(it.answer(1, 5)).toEqual(['R'])
    expect(cookies(it)).toMatchObject({ recv: 0, failed: 0 })
    fill(it)
    it.syn(100)
    expect(it.answer(1000, 5)).toEqual(['R'])
    expect(cookies(it)).toMatchObject({ failed: 1 })
    it.pass(2 * MINUTE + 2)
    it.take()
    expect(it.answer(1000, 5)).toEqual(['R'])
    expect(cookies(it)).toMatchObject({ failed: 1 })
    it.finish()
  })
  test('one of another port, another number or another boot is none', () => {
    const it = listening(family, 4, 2)
    const other = listening(family, 4, 2)
    const [synAck] = it.syn(1)
    other.syn(1)
    expect(it.answer(2, synAck!.seq)).toEqual(['R'])
    it.inject(`. 1000:1000(0) ack ${synAck!.seq + 1}`, { port: 1 })
    expect(it.take().map(({ flags }) => flags)).toEqual(['R'])
    expect(cookies(it)).toMatchObject({ recv: 0, failed: 2 })
    it.finish()
    other.finish()
  })
  test('an outsider who tries numbers finds none', () => {
    const it = listening(family, 4, 2)
    it.syn(1)
    for (let n = 0; n < 5000; n++) it.answer(2 + n, Math.imul(n, 0x9e3779b1))
    expect(cookies(it)).toMatchObject({ recv: 0, failed: 5000 })
    expect(it.host.slab.live()).toBe(1)
    it.finish()
  })
  test('the MSS is the largest of the list that the peer takes', () => {
    const it = listening(family, 100, 2)
    const wanted =
      family === AF_INET
        ? [
            [100, 536],
            [536, 536],
            [1299, 536],
            [1300, 1300],
            [1459, 1440],
            [9000, 1460],
          ]
        : [
            [100, 1220],
            [1220, 1220],
            [1439, 1420],
            [1440, 1440],
            [9000, 8940],
          ]
    for (const [port, [mss]] of wanted.entries()) {
      const [synAck] = it.syn(port + 1, { mss: mss! })
      it.answer(port + 1, synAck!.seq)
    }
    const clamps = it.children.map((child) => it.host.i32[child + TP_MSS_CLAMP])
    expect(clamps).toEqual(wanted.map(([, clamp]) => clamp!))
    it.finish()
  })
  test('the timestamp that carries options lies in the past, by 64 ms at most', () => {
    const it = listening(family, 100, 2)
    it.host.setSysctl('tcp_timestamps', 2)
    for (let turn = 0; turn < 200; turn++) {
      it.pass(7)
      const extras: Injected = {
        mss: 1460,
        ts: [1, 0],
        ...(turn % 2 === 0 && { wscale: turn % 15 }),
      }
      const [synAck] = it.syn(1 + turn, { ...extras, sackOk: turn % 3 === 0 })
      const age = (it.host.time[0]! - synAck!.tsval) | 0
      expect(age).toBeGreaterThanOrEqual(0)
      expect(age).toBeLessThan(64)
      expect(synAck!.tsval & 15).toBe(turn % 2 === 0 ? turn % 15 : 15)
      expect((synAck!.tsval >> 4) & 1).toBe(turn % 3 === 0 ? 1 : 0)
    }
    it.finish()
  })
  test('what was switched off since is not taken from a timestamp', () => {
    const it = listening(family, 100, 2)
    const all: Injected = { mss: 1460, ts: [1, 0], wscale: 7, sackOk: true }
    for (const [port, name] of (
      ['tcp_sack', 'tcp_window_scaling', 'tcp_timestamps'] as const
    ).entries()) {
      const [synAck] = it.syn(port + 1, all)
      it.host.setSysctl(name, 0)
      expect(it.answer(port + 1, synAck!.seq, { ts: [2, synAck!.tsval] })).toEqual(['R'])
      it.host.setSysctl(name, 1)
    }
    expect(it.children).toEqual([])
    it.finish()
  })
  test('a worker without a row left drops what it cannot keep, and a cookie too', () => {
    const it = listening(family, 100, 2)
    const [synAck] = it.syn(1)
    const held: number[] = []
    for (let sk = it.host.tcp.open(family); sk !== 0; sk = it.host.tcp.open(family)) held.push(sk)
    expect(it.syn(2)).toEqual([])
    expect(it.answer(1, synAck!.seq)).toEqual([])
    expect(cookies(it)).toMatchObject({ sent: 1, recv: 1, drops: 2 })
    for (const sk of held) it.host.tcp.close(sk)
    expect(it.answer(1, synAck!.seq)).toEqual([])
    expect(it.children).toHaveLength(1)
    it.finish()
  })
})
