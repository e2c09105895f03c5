/**
 * The clients of one worker, on a thread of their own: a whole host with a stack and an arena of its own, whose only wire leads to
 * that worker's backlog and back from its port. Streams to its discard service, or connections to its echo service, one after
 * the other. Run by point.ts.
 */
import { workerData } from 'node:worker_threads'
import { AF_INET } from '../../core/base/family.ts'
import { createTextControl } from '../../core/control/text/control.ts'
import { isRefused } from '../../core/control/text/names.ts'
import { fillSoftFeatures } from '../../core/dev/kinds/forward-skb.ts'
import { SOFT_KINDS } from '../../core/dev/kinds/kinds.ts'
import type { LinkKind } from '../../core/dev/kinds/link-kind.ts'
import { transferFrame } from '../../core/dev/transfer.ts'
import { NETDEV_TX_BUSY, NETDEV_TX_OK } from '../../core/netdev/netdev.ts'
import { attachArena, createArena } from '../../core/shm/arena.ts'
import {
  G_GENERATION,
  G_SHUTDOWN,
  SMALL_ARENA,
  THREAD_ACK,
  THREAD_RUNNING,
} from '../../core/shm/layout.ts'
import {
  ringBacklog,
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
} from '../../core/shm/ring.ts'
import { OWNER_IN_RING, SKB_DATA, SKB_DEV, SKB_OWNER } from '../../core/skb/skb.ts'
import { SK_EVENT_CONNECT, SOCK_STREAM } from '../../core/socket/sock.ts'
import { createStack } from '../../core/stack.ts'
import { createSteering } from '../../core/stack/steering.ts'
import { createThread } from '../../core/stack/thread.ts'
import { parseIpv4 } from '../../core/wire/text.ts'
import { monotonicUs } from '../../workers/os/clock.ts'
import { random } from '../../workers/random.ts'
import { announce } from '../../workers/thread-data.ts'
import { createWake } from '../../workers/wake.ts'
import { createPause } from './pause.ts'
import type { TcpPeerData } from './thread-data.ts'

/** Frames that it lets lie in the worker's backlog. */
const WINDOW = 512
const STREAMS = 8
const CLIENTS = 32
const CHUNK = 65536
const ECHO = 7
const DISCARD = 9

const data = workerData as TcpPeerData
const { config, buffer, id, thread, worker, into, from, ifindex, load, counts, spins } = data
const router = attachArena(config, buffer)
const own = createThread({ arena: router, thread, wake: createWake(router, id, thread) })
const { steerSkb } = createSteering(own)
const pause = createPause(router, thread, spins)

const arena = createArena({ ...SMALL_ARENA, skbs: 8192, smallBuffers: 4096, largeBuffers: 512 })
const { i32, layout } = arena
const wire: LinkKind = {
  name: 'wire',
  data: [],
  linkOps: () => ({
    newlink({ row }) {
      fillSoftFeatures(i32, row)
      return { error: 0 }
    },
    dellink() {},
  }),
  startXmit:
    ({ skbs }) =>
    (skb) => {
      if (ringBacklog(router.i32, into, WINDOW) >= WINDOW) return NETDEV_TX_BUSY
      const twin = transferFrame(arena, skbs, skb, router, own.skbs)
      if (twin === 0) return NETDEV_TX_BUSY
      router.i32[twin + SKB_DEV] = ifindex
      steerSkb(twin)
      router.i32[twin + SKB_OWNER] = OWNER_IN_RING
      ringPush(router.i32, into, twin)
      skbs.free(skb)
      return NETDEV_TX_OK
    },
}
const kinds = [...SOFT_KINDS, wire]
const nothing = (): void => {}
const control = createTextControl({
  arena,
  random,
  nowUs: monotonicUs,
  wake: nothing,
  // the stack runs on this very thread: a turn of it is what control waits for
  pause: async () => {
    turn()
  },
  kinds,
})
const stack = createStack({
  arena,
  thread: 0,
  nowUs: monotonicUs,
  random,
  secret: Int32Array.of(random(), random()),
  wake: nothing,
  kinds,
})
i32[layout.threadBlocks + THREAD_RUNNING] = 1
let eth0 = 0
stack.napiAdd((weight) => {
  const readable = ringReadable(router.i32, from)
  const n = readable < weight ? readable : weight
  for (let k = 0; k < n; k++) {
    const frame = ringTake(router.i32, from)
    const twin = transferFrame(router, own.skbs, frame, arena, stack.skbs)
    own.skbs.free(frame)
    if (twin === 0) continue
    i32[twin + SKB_DEV] = eth0
    stack.receiveFrame(twin)
  }
  if (n !== 0) ringRelease(router.i32, from)
  return n
})
const turn = (): number => {
  stack.refresh()
  Atomics.store(i32, layout.threadBlocks + THREAD_ACK, Atomics.load(i32, G_GENERATION))
  const work = stack.poll()
  ringPublish(router.i32, into)
  own.ipi.kick(worker)
  own.skbs.flush()
  own.skbs.reclaim()
  return work
}

const configure = async (): Promise<void> => {
  const { address, gateway, lladdr } = data
  const reply = await control.request({
    type: 'CONFIG_SET',
    config: {
      link: [
        { ifname: 'eth0', kind: 'wire', addresses: [`${address}/24`], address: data.mac, up: true },
      ],
      neigh: [{ dev: 'eth0', dst: gateway, lladdr }],
      // a client's old connections would use up its sockets
      sysctl: { 'net.ipv4.tcp_max_tw_buckets': 0 },
    },
  })
  if (isRefused(reply)) throw new Error(`the host was refused: ${reply.message}`)
  const link = await control.request({ type: 'RTM_GETLINK', ifname: 'eth0' })
  if (isRefused(link)) throw new Error(link.message)
  eth0 = link.item.ifindex
}

const { sockets } = stack
const page = i32[stack.skbs.alloc(CHUNK, 0) + SKB_DATA]!
const out = new Uint8Array(CHUNK)
const peer = Int32Array.of(0, 0, 0xffff, parseIpv4(data.gateway)!)

const dial = (port: number, handler: number): void => {
  const sk = sockets.socket(AF_INET, SOCK_STREAM, 0)
  if (sk < 0) throw new Error(`socket: errno ${-sk}`)
  sockets.attach(sk, handler, 0)
  sockets.connect(sk, peer, 0, port)
}
const streams = (): void => {
  const handler = sockets.registerHandler((sk) => {
    for (;;) {
      const n = sockets.sendBytes(sk, out, 0, CHUNK)
      if (n <= 0) return
      counts[worker]! += n / 1000
    }
  })
  for (let k = 0; k < STREAMS; k++) dial(DISCARD, handler)
}
const connections = (): void => {
  const handler = sockets.registerHandler((sk, events) => {
    if ((events & SK_EVENT_CONNECT) !== 0) sockets.sendBytes(sk, out, 0, 1)
    if (sockets.recvmsg(sk, page, CHUNK) <= 0) return
    counts[worker]!++
    sockets.close(sk)
    dial(ECHO, handler)
  })
  for (let k = 0; k < CLIENTS; k++) dial(ECHO, handler)
}

await configure()
if (load === 'tcp') streams()
else connections()
announce('ready')
while (Atomics.load(router.i32, G_SHUTDOWN) === 0) if (turn() === 0) pause()
announce('stopped')
