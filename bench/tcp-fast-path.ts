// What TCP itself costs: one established connection, segments that hit header prediction, no IP below and no
// device. Prints nanoseconds a segment, received and sent, for single segments and 64 KB super-frames.
//
//   bun bench/tcp-fast-path.ts [rounds]

import { AF_INET } from '../core/base/family.ts'
import { heapStats } from 'bun:jsc'
import { copyFrom, putI32, putU16 } from '../core/base/bytes.ts'
import {
  FL_DADDR,
  FL_DEV,
  FL_DST,
  FL_FAMILY,
  FL_IIF,
  FL_MTU,
  FL_SADDR,
  FL_TYPE,
  RTN_LOCAL,
} from '../core/base/flowi.ts'
import { setTime } from '../core/base/time.ts'
import { arenaBytes, createArena } from '../core/shm/arena.ts'
import { Mib, sumCounter } from '../core/shm/counters.ts'
import { SMALL_ARENA } from '../core/shm/layout.ts'
import { setSysctlDefaults } from '../core/shm/sysctl.ts'
import {
  CHECKSUM_UNNECESSARY,
  RX_HEADROOM,
  SKB_DATA,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_IP_SUMMED,
  SKB_NETWORK,
} from '../core/skb/skb.ts'
import { createMachine } from '../core/stack/machine.ts'
import { createSocketLayer, noRoutes } from '../core/stack/sockets.ts'
import { createTcp } from '../core/stack/tcp.ts'
import {
  TP_RCV_NXT,
  TP_SND_NXT,
  TP_SND_UNA,
  TP_WRITE_SEQ,
} from '../core/transport/tcp/sock/tcp-sock.ts'
import * as tcpWire from '../core/wire/tcp.ts'
import { parse, OPT_TSVAL, OPT_WORDS } from '../core/wire/tcp-options.ts'
import { createIpStub } from '../test/support/ip-stub.ts'

const PEER = 0x0a000002
const US = 0x0a000001

const createBench = () => {
  const arena = createArena(SMALL_ARENA, new SharedArrayBuffer(arenaBytes(SMALL_ARENA)))
  const { i32, u8 } = arena
  setSysctlDefaults(arena)
  let nowUs = 1_000_000_000
  const wake = (): void => {}
  const random = (): number => 12345
  const machine = createMachine({ arena, thread: 0, nowUs: () => nowUs, random, wake })
  const { skbs, consume, time, wheel } = machine
  const opts = new Int32Array(OPT_WORDS)
  const seen = { seq: 0, ack: 0, tsval: 0, packets: 0 }
  const inet = createIpStub(machine, {
    route: (fl) => {
      fl[FL_MTU] = 1500
      fl[FL_DEV] = 1
      fl[FL_DST] = 1
      fl[FL_TYPE] = 1
      fl[FL_SADDR + 2] = 0xffff
      fl[FL_SADDR + 3] = US
      return 0
    },
    queueXmit: (skb) => {
      seen.packets++
      const at = i32[skb + SKB_DATA]!
      seen.seq = tcpWire.seq(u8, at)
      seen.ack = tcpWire.ack(u8, at)
      if (seen.packets < 10) {
        parse(u8, at + 20, tcpWire.optionsLen(u8, at), opts)
        seen.tsval = opts[OPT_TSVAL]!
      }
      consume(skb)
      return 0
    },
    send: (skb) => {
      consume(skb)
      return 0
    },
    loadAddrs: (_skb, fl) => {
      fl[FL_FAMILY] = AF_INET
      fl[FL_IIF] = 1
      fl[FL_SADDR + 2] = 0xffff
      fl[FL_SADDR + 3] = PEER
      fl[FL_DADDR + 2] = 0xffff
      fl[FL_DADDR + 3] = US
    },
    addrType: () => RTN_LOCAL,
  })
  const layer = createSocketLayer(machine, noRoutes(machine), wake)
  const tcp = createTcp(machine, inet, layer, Int32Array.of(1, 2), { gsoMax: () => 65535 })
  const head = new Uint8Array(64)
  const inject = (
    seq: number,
    ack: number,
    flags: number,
    len: number,
    gso: number,
    options: number[]
  ): void => {
    const headerLen = 20 + options.length
    putU16(head, 0, 4000)
    putU16(head, 2, 80)
    putI32(head, 4, seq)
    putI32(head, 8, ack)
    tcpWire.setHeaderLenFlags(head, 0, headerLen, flags)
    tcpWire.setWindow(head, 0, 60000)
    for (let k = 0; k < options.length; k++) head[20 + k] = options[k]!
    const skb = skbs.alloc(headerLen + len, RX_HEADROOM)
    const at = skbs.put(skb, headerLen + len)
    copyFrom(u8, at, head, 0, headerLen)
    i32[skb + SKB_NETWORK] = at
    i32[skb + SKB_IP_SUMMED] = CHECKSUM_UNNECESSARY
    i32[skb + SKB_GSO_SIZE] = gso
    i32[skb + SKB_GSO_SEGS] = gso === 0 ? 0 : Math.ceil(len / gso)
    tcp.tcpRcv(skb)
  }
  const stamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0]
  const tick = (us: number): void => {
    nowUs += us
    setTime(time, nowUs)
    wheel.advance()
  }
  const listener = tcp.open(AF_INET)
  tcp.bind(listener, new Int32Array(4), 0, 80)
  tcp.listen(listener, 8)
  inject(1000, 0, 2, 0, 0, [2, 4, 5, 0xb4, 4, 2, ...stamps.slice(2), 1, 3, 3, 7])
  const isn = seen.seq
  putI32(head, 0, seen.tsval)
  for (let k = 0; k < 4; k++) stamps[8 + k] = head[k]!
  inject(1001, (isn + 1) | 0, 16, 0, 0, stamps)
  const sk = tcp.accept(listener)
  return { arena, i32, tcp, sk, skbs, inject, stamps, tick, seen }
}

/** In-order text from the peer, read at once; the time without reading is what is wanted, so both are shown. */
const receive = (
  rounds: number,
  len: number,
  gso: number,
  warm: number
): [rcv: number, recv: number] => {
  const { arena, i32, tcp, sk, inject, stamps, tick } = createBench()
  const scratch = arena.layout.largeBytes + (arena.layout.larges - 1) * 69632
  const batch = len > 10_000 ? 2 : 16
  let rcvNs = 0
  let readNs = 0
  for (let n = 0; n < rounds + warm; n++) {
    if (n === warm) {
      rcvNs = 0
      readNs = 0
    }
    const start = Bun.nanoseconds()
    for (let k = 0; k < batch; k++)
      inject(i32[sk + TP_RCV_NXT]!, i32[sk + TP_SND_NXT]!, 16, len, gso, stamps)
    const mid = Bun.nanoseconds()
    for (let got = 1; got > 0; ) got = tcp.recvmsg(sk, scratch, 65536)
    readNs += Bun.nanoseconds() - mid
    rcvNs += mid - start
    tick(100)
  }
  const hits = sumCounter(arena, Mib.TcpExtTCPHPHits)
  if (hits < (rounds + warm) * batch * 0.95) throw new Error(`fast path missed: ${hits}`)
  return [rcvNs / rounds / batch, readNs / rounds / batch]
}

/** sendmsg of `len` bytes and the acknowledgement of it. */
const send = (rounds: number, len: number, warm: number): [send: number, ack: number] => {
  const { arena, i32, tcp, sk, inject, stamps, tick } = createBench()
  const from = arena.layout.largeBytes + (arena.layout.larges - 1) * 69632
  let sendNs = 0
  let ackNs = 0
  for (let n = 0; n < rounds + warm; n++) {
    if (n === warm) {
      sendNs = 0
      ackNs = 0
    }
    const start = Bun.nanoseconds()
    const sent = tcp.sendmsg(sk, from, len, 0)
    const mid = Bun.nanoseconds()
    if (n > 1000 && sent !== len) throw new Error(`sent ${sent}`)
    while (i32[sk + TP_SND_UNA] !== i32[sk + TP_WRITE_SEQ])
      inject(i32[sk + TP_RCV_NXT]!, i32[sk + TP_SND_NXT]!, 16, 0, 0, stamps)
    ackNs += Bun.nanoseconds() - mid
    sendNs += mid - start
    tick(100)
  }
  return [sendNs / rounds, ackNs / rounds]
}

type Case = { name: string; labels: [string, string]; run: (rounds: number) => [number, number] }
const CASES: Case[] = [
  {
    name: 'receive 1448 B',
    labels: ['tcpRcv', 'recvmsg'],
    run: (n) => receive(n, 1448, 0, 20_000),
  },
  { name: 'receive 1 B', labels: ['tcpRcv', 'recvmsg'], run: (n) => receive(n, 1, 0, 20_000) },
  {
    name: 'receive 63712 B (44 segments)',
    labels: ['tcpRcv', 'recvmsg'],
    run: (n) => receive(n, 63712, 1448, 20_000),
  },
  { name: 'send 1448 B', labels: ['sendmsg', 'ack'], run: (n) => send(n * 4, 1448, 50_000) },
  {
    name: 'send 63712 B (44 segments)',
    labels: ['sendmsg', 'ack'],
    run: (n) => send(n, 63712, 20_000),
  },
  {
    name: 'heap after 200,000 segments, bytes',
    labels: ['more', ''],
    run: () => [heapGrowth(), 0],
  },
]

/** What a run leaves behind on the heap: nothing, or the path allocates. */
const heapGrowth = (): number => {
  const { i32, sk, inject, stamps, tcp, arena } = createBench()
  const scratch = arena.layout.largeBytes + (arena.layout.larges - 1) * 69632
  const loop = (n: number): void => {
    for (let k = 0; k < n; k++) {
      inject(i32[sk + TP_RCV_NXT]!, i32[sk + TP_SND_NXT]!, 16, 1448, 0, stamps)
      if ((k & 15) === 15) tcp.recvmsg(sk, scratch, 65536)
    }
  }
  loop(100_000)
  Bun.gc(true)
  const before = heapStats().heapSize
  loop(200_000)
  return heapStats().heapSize - before
}

// Each case in a process of its own: two stacks in one process cost twice as much (a thread has one).
const rounds = Number(process.argv[2] ?? 50_000)
const which = process.argv[3]
if (which === undefined) {
  for (const k of CASES.keys())
    Bun.spawnSync([process.execPath, import.meta.path, String(rounds), String(k)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
} else {
  const { name, labels, run } = CASES[Number(which)]!
  const results = run(rounds)
  const shown = labels.map((label, k) =>
    label === '' ? '' : `${label} ${results[k]!.toFixed(0).padStart(6)}`
  )
  console.log(`${name.padEnd(36)} ${shown.join('   ')}`)
}
