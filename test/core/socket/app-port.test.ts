import { AF_INET } from '../../../core/base/family.ts'
import { expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import {
  APP_SIDS,
  AppOp,
  CLOSE_ABORT,
  CLOSE_NOW,
  E_ADDR,
  E_ARG0,
  E_ARG1,
  E_ARG2,
  E_CONTROL,
  E_LEN,
  E_LPORT,
  E_OP,
  E_PORT,
  E_SID,
  E_SKB,
  E_USER,
} from '../../../core/socket/app-constants.ts'
import { createAppRings, endApp } from '../../../core/socket/app-rings.ts'
import {
  SO_REUSEADDR,
  SO_RXQ_OVFL,
  SOL_SOCKET,
  TCP_CONGESTION,
} from '../../../core/socket/socket-constants.ts'
import { IPPROTO_TCP } from '../../../core/wire/ipproto.ts'
import { SK_EVENT_READ, SOCK_DGRAM, SOCK_STREAM } from '../../../core/socket/sock.ts'
import { createDrop } from '../../../core/skb/drop.ts'
import { SKB_DATA, SKB_LEN } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import type { Arena } from '../../../core/shm/arena.ts'
import type { ArenaConfig } from '../../../core/shm/layout.ts'
import { createFakeWorker, fakeArena } from '../../support/fake-worker.ts'

const CREDIT = 262144
type Completion = {
  op: number
  sid: number
  user: number
  result: number
  skb: number
  port: number
}

/** An application that looks at every record itself. */
const application = (arena: Arena, app = 0) => {
  const { i32 } = arena
  const skbs = createSkbs(arena, arena.layout.appThread + app)
  const { consume } = createDrop(arena, skbs)
  const seen: Completion[] = []
  const lost: number[] = []
  const eye = { look: (_at: number): void => {} }
  const completion = (_worker: number, at: number): void => {
    eye.look(at)
    seen.push({
      op: i32[at + E_OP]!,
      sid: i32[at + E_SID]!,
      user: i32[at + E_USER]!,
      result: i32[at + E_LEN]!,
      skb: i32[at + E_SKB]!,
      port: i32[at + E_LPORT]!,
    })
  }
  const makeRings = () =>
    createAppRings({
      arena,
      app,
      skbs,
      consume,
      wake: () => {},
      completion,
      workerLost: (w) => lost.push(w),
    })
  const rings = makeRings()
  const ask = (op: number, sid: number, words: Record<number, number> = {}, user = 0): void => {
    const at = rings.begin(0, op, sid, user)
    for (const [word, value] of Object.entries(words)) i32[at + Number(word)] = value
    rings.commit()
  }
  const open = (type: number, port: number): number => {
    const sid = rings.allocSid()
    ask(AppOp.SOCKET, sid, { [E_ARG0]: AF_INET, [E_ARG1]: type, [E_LEN]: CREDIT })
    ask(AppOp.BIND, sid, { [E_ADDR + 2]: 0xffff, [E_PORT]: port })
    return sid
  }
  const listen = (port: number, children: number): { sid: number; child: number[] } => {
    const sid = open(SOCK_STREAM, port)
    ask(AppOp.LISTEN, sid, { [E_LEN]: 5 })
    const child = Array.from({ length: children }, () => rings.allocSid())
    for (const each of child) ask(AppOp.ACCEPT, sid, { [E_PORT]: each, [E_LEN]: CREDIT }, each)
    return { sid, child }
  }
  const skbOf = (bytes: Uint8Array): number => {
    const skb = skbs.alloc(bytes.length, 0)
    arena.u8.set(bytes, skbs.put(skb, bytes.length))
    return skb
  }
  return { skbs, consume, seen, lost, eye, makeRings, rings, ask, open, listen, skbOf }
}

/** One worker and an application. */
const setUp = (config: Partial<ArenaConfig> = {}) => {
  const arena = fakeArena({ apps: 1, ...config })
  let woken = 0
  const worker = createFakeWorker(arena, {
    wakeApp: () => {
      woken++
    },
  })
  const mine = application(arena)
  const { rings, seen, eye } = mine
  /** Lets both sides work, and tells what came of it. */
  const run = (turns = 4, each: (at: number) => void = () => {}): Completion[] => {
    eye.look = each
    for (let k = 0; k < turns; k++) {
      rings.flush()
      worker.turn()
      rings.poll()
    }
    return seen.splice(0)
  }
  return { arena, i32: arena.i32, worker, ...mine, run, woken: () => woken }
}

test('socket, bind, listen and accept in one batch, each answered with its user word', () => {
  const { run, listen, worker } = setUp()
  const { sid, child } = listen(80, 2)
  expect(run().map(({ op, result, port }) => [op, result, port])).toEqual([
    [AppOp.SOCKET, 0, 0],
    [AppOp.BIND, 0, 80],
    [AppOp.LISTEN, 0, 80],
  ])
  worker.tcp.connect(80)
  expect(run()).toMatchObject([
    { op: AppOp.ACCEPT, sid: child[0]!, user: child[0]!, result: 0, port: 80 },
  ])
  // two more: one is accepted, the other waits until the application asks
  worker.tcp.connect(80)
  worker.tcp.connect(80)
  expect(run().map(({ sid }) => sid)).toEqual([child[1]!])
  expect(worker.port.count(0)).toBe(3)
  expect(sid).toBeGreaterThan(0)
})

test('a failed socket fails what follows, and closing it gives the sid back', () => {
  const { run, rings, ask } = setUp()
  const sid = rings.allocSid()
  ask(AppOp.SOCKET, sid, { [E_ARG0]: 99, [E_ARG1]: SOCK_STREAM })
  ask(AppOp.BIND, sid, {})
  ask(AppOp.SEND, sid, {})
  ask(AppOp.CLOSE, sid, {}, 5)
  ask(99, sid, {})
  const results = run().map(({ op, result }) => [op, result])
  expect(results).toContainEqual([AppOp.SOCKET, -Errno.EAFNOSUPPORT])
  expect(results).toContainEqual([AppOp.BIND, -Errno.EBADF])
  expect(results).toContainEqual([AppOp.CLOSE, 0])
})

test('more submissions than the ring holds all come to be answered, in order', () => {
  const { run, open, ask } = setUp()
  const sid = open(SOCK_STREAM, 80)
  run()
  for (let k = 0; k < 5000; k++)
    ask(AppOp.SETSOCKOPT, sid, { [E_ARG0]: SOL_SOCKET, [E_ARG1]: SO_REUSEADDR, [E_ARG2]: 1 }, k)
  const users = run(100).map(({ user }) => user)
  expect(users).toEqual(Array.from({ length: 5000 }, (_, k) => k))
})

test('completions that find the ring full wait for the application', () => {
  const { run, rings, open, ask, worker } = setUp()
  const sid = open(SOCK_STREAM, 80)
  run()
  for (let k = 0; k < 3000; k++) {
    ask(AppOp.GETSOCKOPT, sid, { [E_ARG0]: SOL_SOCKET, [E_ARG1]: SO_REUSEADDR }, k)
    if (k % 100 !== 0) continue
    rings.flush()
    worker.turn()
  }
  for (let k = 0; k < 30; k++) {
    rings.flush()
    worker.turn()
  }
  expect(worker.port.pending()).toBe(false)
  expect(run(50).map(({ user }) => user)).toEqual(Array.from({ length: 3000 }, (_, k) => k))
})

test('data sent before the end goes out before it, and a close waits for it', () => {
  const { run, listen, ask, worker, skbOf, skbs } = setUp()
  const { child } = listen(80, 1)
  run()
  const before = skbs.available()
  const peer = worker.tcp.connect(80)
  run()
  const parts = Array.from({ length: 4 }, (_, k) => new Uint8Array(40000).fill(k + 1))
  for (const part of parts) ask(AppOp.SEND, child[0]!, { [E_SKB]: skbOf(part) }, 9)
  ask(AppOp.SHUTDOWN, child[0]!, { [E_LEN]: 1 })
  ask(AppOp.CLOSE, child[0]!, {}, 7)
  const got: Uint8Array[] = []
  const seen = run()
  expect(seen.some(({ op }) => op === AppOp.CLOSE)).toBe(false)
  for (let k = 0; k < 100 && !peer.ended(); k++) {
    got.push(peer.read(30000))
    seen.push(...run(1))
  }
  expect(Buffer.concat(got).equals(Buffer.concat(parts))).toBe(true)
  seen.push(...run())
  expect(seen.filter(({ op }) => op === AppOp.SEND).map(({ result }) => result)).toEqual([
    40000, 40000, 40000, 40000,
  ])
  expect(seen.at(-1)).toMatchObject({ op: AppOp.CLOSE, user: 7, result: 0 })
  expect(peer.isClosed()).toBe(true)
  expect(skbs.available()).toEqual(before)
})

test('a close of a socket that lingers is answered when its peer has everything', () => {
  const { run, listen, ask, worker } = setUp()
  const { child } = listen(80, 3)
  run()
  const [slow, broken, left] = [0, 1, 2].map(() => worker.tcp.connect(80))
  run()
  for (const peer of [slow!, broken!, left!]) peer.linger()
  for (const each of child) ask(AppOp.CLOSE, each, {}, each)
  expect(run()).toEqual([])
  expect([slow!.isClosed(), broken!.isClosed(), left!.isClosed()]).toEqual([false, false, false])
  slow!.lingered()
  expect(run()).toMatchObject([{ op: AppOp.CLOSE, user: child[0], result: 0 }])
  expect(slow!.isClosed()).toBe(true)
  // who does not want to wait any more breaks it
  ask(AppOp.CLOSE, child[1]!, { [E_ARG0]: CLOSE_ABORT }, 99)
  expect(run()).toMatchObject([
    { op: AppOp.CLOSE, user: child[1], result: -Errno.ECANCELED },
    { op: AppOp.CLOSE, user: 99, result: 0 },
  ])
  expect([broken!.wasAborted(), left!.isClosed()]).toEqual([true, false])
})

test('nothing is received without credit, and what was is whole', () => {
  const { run, listen, ask, worker, consume, i32, arena } = setUp()
  const { child } = listen(80, 1)
  run()
  const peer = worker.tcp.connect(80)
  run()
  const data = Uint8Array.from({ length: CREDIT + 50000 }, (_, k) => k * 7)
  let sent = 0
  const got: Buffer[] = []
  const take = (completions: Completion[]): void => {
    for (const { op, skb, result } of completions) {
      expect(op).toBe(AppOp.RECV)
      expect(i32[skb + SKB_LEN]).toBe(result)
      got.push(Buffer.from(arena.u8.slice(i32[skb + SKB_DATA]!, i32[skb + SKB_DATA]! + result)))
      consume(skb)
    }
  }
  for (let k = 0; k < 100; k++) {
    sent += peer.write(data, sent)
    take(run(1))
  }
  expect(Buffer.concat(got).length).toBe(CREDIT)
  expect(sent).toBe(data.length)
  ask(AppOp.RECV, child[0]!, { [E_LEN]: CREDIT })
  take(run())
  expect(Buffer.concat(got).equals(data)).toBe(true)
  peer.end()
  expect(run()).toMatchObject([{ op: AppOp.RECV, result: 0, skb: 0 }])
})

test('at rest a worker holds nothing for its applications', () => {
  const { run, listen, open, worker, consume, skbs, rings, arena } = setUp()
  const { freeSkbs, freeLarges } = arena.layout
  const free = (): number[] => {
    rings.flush()
    skbs.flush()
    worker.turn()
    return [arena.i32[freeSkbs]!, arena.i32[freeLarges]!]
  }
  const before = free()
  listen(80, 1)
  open(SOCK_DGRAM, 53)
  run()
  const peer = worker.tcp.connect(80)
  worker.udp.arrive(53, { data: new Uint8Array(9), addr: 0x0a000007, port: 999 })
  peer.write(new Uint8Array(10), 0)
  for (const { skb } of run()) if (skb !== 0) consume(skb)
  expect(free()).toEqual(before)
})

test('a worker without memory goes on when the application gives some back', () => {
  const { run, listen, worker, consume, rings } = setUp({ largeBuffers: 4, smallBuffers: 64 })
  listen(80, 1)
  run()
  const peer = worker.tcp.connect(80)
  run()
  const data = new Uint8Array(600000)
  let sent = 0
  const held: number[] = []
  for (let k = 0; k < 50; k++) {
    sent += peer.write(data, sent, Math.min(30000, data.length - sent))
    for (const { skb } of run(1)) held.push(skb)
  }
  const before = held.length
  expect(worker.port.pending()).toBe(false)
  for (const skb of held) consume(skb)
  rings.flush()
  // asleep, the worker is told by its stalled word
  expect(worker.port.pending()).toBe(true)
  expect(run().length).toBeGreaterThan(0)
  expect(before).toBeGreaterThan(0)
})

test('datagrams go both ways with their addresses', () => {
  const { run, open, ask, worker, skbOf, i32, consume } = setUp()
  const sid = open(SOCK_DGRAM, 53)
  run()
  worker.udp.arrive(53, { data: new Uint8Array([1, 2]), addr: 0x0a000007, port: 999 })
  worker.udp.arrive(53, { data: new Uint8Array(0), addr: 0x0a000008, port: 998 })
  const came = run()
  expect(came).toMatchObject([
    { op: AppOp.RECVFROM, result: 2 },
    { op: AppOp.RECVFROM, result: 0 },
  ])
  for (const { skb } of came) consume(skb)
  const reply = { [E_SKB]: skbOf(new Uint8Array([3])), [E_ADDR + 3]: 0x0a000007, [E_PORT]: 999 }
  ask(AppOp.SENDTO, sid, reply, 4)
  expect(run()).toMatchObject([{ op: AppOp.SENDTO, user: 4, result: 1 }])
  expect(worker.udp.sent).toEqual([{ data: new Uint8Array([3]), addr: 0x0a000007, port: 999 }])
  expect(i32.length).toBeGreaterThan(0)
})

test('POLL tells once what happened', () => {
  const { run, listen, ask, worker } = setUp()
  const { child } = listen(80, 1)
  run()
  const peer = worker.tcp.connect(80)
  run()
  ask(AppOp.POLL, child[0]!, { [E_LEN]: SK_EVENT_READ }, 3)
  expect(run()).toEqual([])
  peer.write(new Uint8Array(1))
  expect(run()).toContainEqual(
    expect.objectContaining({ op: AppOp.POLL, user: 3, result: SK_EVENT_READ })
  )
  peer.write(new Uint8Array(1))
  expect(run().some(({ op }) => op === AppOp.POLL)).toBe(false)
})

test('the end of a socket answers what was asked of it and will not come', () => {
  const { run, listen, ask } = setUp()
  const { sid, child } = listen(80, 2)
  run()
  ask(AppOp.POLL, sid, { [E_LEN]: SK_EVENT_READ }, 3)
  ask(AppOp.POLL, sid, { [E_LEN]: SK_EVENT_READ }, 4)
  // a child that is given up leaves the others where they were
  ask(AppOp.CLOSE, child[0]!, {}, 5)
  ask(AppOp.CLOSE, sid, { [E_ARG0]: CLOSE_NOW }, 6)
  expect(run().map(({ op, sid, user, result }) => [op, sid, user, result])).toEqual([
    [AppOp.POLL, sid, 3, -Errno.ECANCELED],
    [AppOp.ACCEPT, child[0]!, child[0]!, -Errno.ECANCELED],
    [AppOp.CLOSE, child[0]!, 5, 0],
    [AppOp.ACCEPT, child[1]!, child[1]!, -Errno.ECANCELED],
    [AppOp.POLL, sid, 4, -Errno.ECANCELED],
    [AppOp.CLOSE, sid, 6, 0],
  ])
})

test('names that an application makes up are refused, and nothing else is touched', () => {
  const { run, listen, open, ask, worker, skbOf, i32, consume } = setUp()
  const { sid } = listen(80, 0)
  const other = open(SOCK_DGRAM, 53)
  run()
  const answer = (op: number, on: number, words: Record<number, number>): number => {
    ask(op, on, words, 1)
    const seen = run()
    expect(seen.length).toBe(1)
    return seen[0]!.result
  }
  for (const name of [0, -1, APP_SIDS, 0x7fffffff]) {
    expect(answer(AppOp.ACCEPT, sid, { [E_PORT]: name })).toBe(-Errno.EBADF)
    expect(answer(AppOp.BIND, name, { [E_PORT]: 9 })).toBe(-Errno.EBADF)
  }
  // a sid that names a socket becomes no other one
  expect(answer(AppOp.ACCEPT, sid, { [E_PORT]: other })).toBe(-Errno.EBUSY)
  expect(answer(AppOp.ACCEPT, sid, { [E_PORT]: sid })).toBe(-Errno.EBUSY)
  expect(answer(AppOp.ACCEPT, other, { [E_PORT]: 9 })).toBe(-Errno.EINVAL)
  expect(answer(AppOp.SOCKET, sid, { [E_ARG0]: AF_INET, [E_ARG1]: SOCK_STREAM })).toBe(-Errno.EBUSY)
  expect(answer(AppOp.POLL, sid, { [E_LEN]: 128 })).toBe(-Errno.EINVAL)
  expect(answer(AppOp.CONNECT, other, { [E_PORT]: 65536 })).toBe(-Errno.EINVAL)
  const skb = skbOf(new Uint8Array([3]))
  expect(answer(AppOp.SENDTO, other, { [E_SKB]: skb, [E_PORT]: -1 })).toBe(-Errno.EINVAL)
  // a length beyond the buffer, and what is no row
  const long = skbOf(new Uint8Array(10))
  i32[long + SKB_LEN] = 4096
  const before = worker.skbs.available()
  expect(answer(AppOp.SENDTO, other, { [E_SKB]: long, [E_PORT]: 9 })).toBe(-Errno.EFAULT)
  expect(answer(AppOp.SENDTO, other, { [E_SKB]: long + 1, [E_PORT]: 9 })).toBe(-Errno.EFAULT)
  expect(worker.skbs.available()).toEqual(before)
  expect(worker.udp.sent).toEqual([])
  expect(worker.slab.live()).toBe(2)
  i32[long + SKB_LEN] = 10
  consume(long)
})

test('what is told beside the data may be asked for', () => {
  const { run, open, ask } = setUp()
  const sid = open(SOCK_DGRAM, 80)
  run()
  const option = { [E_ARG0]: SOL_SOCKET, [E_ARG1]: SO_RXQ_OVFL }
  ask(AppOp.SETSOCKOPT, sid, { ...option, [E_ARG2]: 1 })
  ask(AppOp.GETSOCKOPT, sid, option, 7)
  expect(run(4).map(({ op, result }) => [op, result])).toEqual([
    [AppOp.SETSOCKOPT, 0],
    [AppOp.GETSOCKOPT, 1],
  ])
})

test('a message is taken when it is asked for, without any credit', () => {
  const { run, rings, ask, worker, i32, consume, skbs } = setUp()
  const before = [worker.skbs.available(), skbs.available()]
  const sid = rings.allocSid()
  ask(AppOp.SOCKET, sid, { [E_ARG0]: AF_INET, [E_ARG1]: SOCK_DGRAM })
  ask(AppOp.BIND, sid, { [E_ADDR + 2]: 0xffff, [E_PORT]: 53 })
  run()
  ask(AppOp.RECVMSG, sid, { [E_LEN]: 100 }, 1)
  expect(run().map(({ op, user, result }) => [op, user, result])).toEqual([
    [AppOp.RECVMSG, 1, -Errno.EAGAIN],
  ])
  for (const first of [5, 6])
    worker.udp.arrive(53, { data: Uint8Array.of(first, 2, 3), addr: 0x0a000002, port: 9 })
  // it comes to nobody who has not asked
  expect(run()).toEqual([])
  const lengths: number[] = []
  for (const [k, length] of [2, 100].entries()) ask(AppOp.RECVMSG, sid, { [E_LEN]: length }, 2 + k)
  const seen = run(4, (at) => {
    expect([i32[at + E_ADDR + 3], i32[at + E_PORT]]).toEqual([0x0a000002, 9])
    lengths.push(i32[i32[at + E_SKB]! + SKB_LEN]!)
    consume(i32[at + E_SKB]!)
  })
  expect(seen.map(({ user, result }) => [user, result])).toEqual([
    [2, 2],
    [3, 3],
  ])
  expect(lengths).toEqual([2, 3])
  ask(AppOp.CLOSE, sid, { [E_ARG0]: CLOSE_NOW })
  run()
  expect([worker.skbs.available(), skbs.available()]).toEqual(before)
})

test('control messages that are none, or too many, are refused', () => {
  const { run, open, ask, skbOf, worker, skbs } = setUp()
  const sid = open(SOCK_DGRAM, 53)
  run()
  const before = skbs.available()
  const answer = (bytes: number, control: number): number => {
    const skb = skbOf(new Uint8Array(bytes))
    ask(AppOp.SENDMSG, sid, { [E_SKB]: skb, [E_PORT]: 9, [E_CONTROL]: control })
    return run()[0]!.result
  }
  for (const control of [-4, 3, 24, 0x7ffffffc, -0x80000000])
    expect(answer(20, control)).toBe(-Errno.EINVAL)
  expect(answer(1100, 1028)).toBe(-Errno.ENOBUFS)
  expect(worker.udp.sent).toEqual([])
  expect(answer(20, 0)).toBe(20)
  expect(worker.udp.sent.map(({ data }) => data.length)).toEqual([20])
  expect(skbs.available()).toEqual(before)
})

test('an option that is a name travels where addresses do', () => {
  const { run, open, ask, i32 } = setUp()
  const sid = open(SOCK_STREAM, 80)
  run()
  const reno = { [E_ADDR]: 0x6f6e6572, [E_ADDR + 1]: 0 }
  const option = { [E_ARG0]: IPPROTO_TCP, [E_ARG1]: TCP_CONGESTION }
  ask(AppOp.SETSOCKOPT, sid, { ...option, ...reno })
  ask(AppOp.GETSOCKOPT, sid, option, 7)
  const names: number[] = []
  const seen = run(4, (at) => names.push(i32[at + E_ADDR]!))
  expect(seen.map(({ op, result }) => [op, result])).toEqual([
    [AppOp.SETSOCKOPT, 0],
    [AppOp.GETSOCKOPT, 16],
  ])
  expect(names.at(-1)).toBe(0x6f6e6572)
})

test('a sleeping application is rung once, an awake one not at all', () => {
  const { run, rings, listen, worker, woken } = setUp()
  listen(80, 2)
  run()
  worker.tcp.connect(80)
  worker.turn()
  expect(woken()).toBe(0)
  expect(rings.sleep()).toBe(false)
  run()
  expect(rings.sleep()).toBe(true)
  worker.tcp.connect(80).write(new Uint8Array(9))
  worker.turn()
  worker.turn()
  expect(woken()).toBe(1)
})

test('a new incarnation of the application finds its sockets closed and nothing of the old in the rings', () => {
  const h = setUp()
  const { child } = h.listen(80, 1)
  h.run()
  const peer = h.worker.tcp.connect(80)
  h.run()
  const before = h.skbs.available()
  peer.write(new Uint8Array(5000))
  h.ask(AppOp.SEND, child[0]!, { [E_SKB]: h.skbOf(new Uint8Array(3000)) })
  h.worker.turn()
  // the old one dies here, with records in both rings
  h.rings.flush()
  const next = h.makeRings()
  next.flush()
  h.worker.turn()
  expect(h.worker.slab.live()).toBe(0)
  expect(next.poll()).toBeGreaterThan(0)
  next.flush()
  h.worker.turn()
  expect(h.run(0)).toEqual([])
  next.poll()
  expect(h.skbs.available()).toEqual(before)
})

test('applications name their sockets alike: each hears of its own, and one that goes leaves those of others', () => {
  const h = setUp({ apps: 2 })
  const other = application(h.arena, 1)
  const run = (): Completion[] => {
    h.rings.flush()
    other.rings.flush()
    h.worker.turn()
    other.rings.poll()
    h.rings.poll()
    return other.seen.splice(0)
  }
  const [mine, others] = [h.listen(80, 1), other.listen(81, 1)]
  expect(others).toEqual(mine)
  for (let turn = 0; turn < 3; turn++) run()
  h.worker.tcp.connect(80)
  const peer = h.worker.tcp.connect(81)
  h.seen.splice(0)
  expect(run()).toMatchObject([{ op: AppOp.ACCEPT, sid: others.child[0]!, port: 81 }])
  expect(h.seen.splice(0)).toMatchObject([{ op: AppOp.ACCEPT, sid: mine.child[0]!, port: 80 }])
  peer.write(new Uint8Array(10))
  expect([h.worker.port.count(0), h.worker.port.count(1)]).toEqual([2, 2])
  endApp(h.arena, 0)
  const [came] = run()
  expect(came).toMatchObject({ op: AppOp.RECV, sid: others.child[0]!, result: 10 })
  other.consume(came!.skb)
  expect(h.seen).toEqual([])
  expect([h.worker.port.count(0), h.worker.port.count(1)]).toEqual([0, 2])
})

test('an application that sleeps is rung when its worker starts again, and only then', () => {
  const h = setUp()
  h.listen(80, 1)
  h.run()
  expect(h.rings.sleep()).toBe(true)
  let rung = 0
  createFakeWorker(h.arena, { seed: 3, wakeApp: () => rung++ })
  expect(rung).toBe(1)
  h.rings.poll()
  expect(h.lost).toEqual([0])
  // it is awake and looks by itself
  createFakeWorker(h.arena, { seed: 4, wakeApp: () => rung++ })
  expect(rung).toBe(1)
})

test('a restarted worker is noticed, its records thrown away, its skbs given back', () => {
  const h = setUp()
  h.listen(80, 1)
  h.run()
  const peer = h.worker.tcp.connect(80)
  h.run()
  peer.write(new Uint8Array(5000))
  h.worker.turn()
  const again = createFakeWorker(h.arena, { seed: 3 })
  h.rings.poll()
  expect(h.lost).toEqual([0])
  expect(h.run(0)).toEqual([])
  h.rings.flush()
  again.turn()
  // what the old worker had taken for itself is for the supervisor to find: its bounce buffers
  expect(again.skbs.available().skbs).toBeGreaterThanOrEqual(2048 - 4)
})
