/**
 * What one TCP stream costs in super-frames, all of it: its sender, the router and its receiver take turns in one thread, so the
 * figure hardly depends on what else the machine does, and on no scheduler. softnet's worker stands between two TAPs, the
 * kernel's router between two veth pairs. The kernel hands a super-frame on by reference; between TAPs it is copied twice more.
 */
import { DEV_KIND, deviceRow } from '../../core/netdev/netdev.ts'
import { fillFdRow } from '../../workers/devices/fd-device.ts'
import { closeRing } from '../../workers/drivers/fd.ts'
import { createQueueReader } from '../../workers/drivers/queues.ts'
import { DevKind, KINDS } from '../../workers/kinds.ts'
import { ipBytes } from '../../workers/os/address.ts'
import { block, check, libc, O_NONBLOCK, O_RDONLY, openPath } from '../../workers/os/libc.ts'
import type { Namespace } from '../../workers/os/netns.ts'
import { createNamespace, joinVeth } from '../../workers/os/netns.ts'
import { createPollSet } from '../../workers/os/poll.ts'
import { CLONE_NEWNET } from '../../workers/os/spawn.ts'
import { TunOffload } from '../../workers/os/tap.ts'
import { makeArena, makeStack, V4 } from '../support/forwarding.ts'
import { setCongestionControl } from '../support/congestion.ts'
import { accept, listen } from '../support/listen.ts'

const AF_INET = 2
const SOCK_STREAM = 1
const MSG_DONTWAIT = 0x40
const PORT = 5001
/** What is sent before the router has its turn: some five super-frames. */
const BYTES = 256 * 1024
const ROUNDS = 2000
const WARM_UP = 4000
const PATIENCE_MS = 1000

const WAYS = ['kernel', 'softnet'] as const
type StreamWay = (typeof WAYS)[number]
/** CPU milliseconds a GB: of all, and of softnet's worker with what its writes deliver. */
export type StreamResult = { way: StreamWay; allMs: number; turnMs: number }

const A = '10.1.0.10'
const B = '10.2.0.10'
const B_MAC = '02:02:00:00:00:00'
/** The two networks; the router is the first host of each, whatever it is. */
const networkOf = (address: string) => ({
  address: `${address}/24`,
  gateway: address.replace(/10$/, '1'),
})

type Router = { a: Namespace; b: Namespace; turn: () => void; close: () => Promise<void> }

const kernelRouter = async (): Promise<Router> => {
  const [a, b, router] = await Promise.all(
    ['a', 'b', 'kernel'].map((name) => createNamespace({ name, device: 'none' }))
  )
  await router!.ask({ op: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' })
  for (const [end, own] of [
    [a!, A],
    [b!, B],
  ] as const) {
    const { address, gateway } = networkOf(own)
    await joinVeth(
      { namespace: end, ifname: 'eth0', address },
      { namespace: router!, ifname: `to-${end.name}`, address: `${gateway}/24` }
    )
    await end.ask({ op: 'route', route: { to: 'default', via: gateway } })
  }
  const close = async (): Promise<void> => {
    for (const namespace of [a!, b!, router!]) await namespace.close()
  }
  return { a: a!, b: b!, turn: () => {}, close }
}

const softnetRouter = async (): Promise<Router> => {
  const a = await createNamespace({ name: 'a', device: 'tap', ...networkOf(A) })
  // b is one of the hosts that makeStack knows
  const b = await createNamespace({ name: 'b', device: 'tap', mac: B_MAC, ...networkOf(B) })
  const arena = makeArena()
  for (const [ifindex, { fds }] of [
    [1, a],
    [2, b],
  ] as const) {
    fillFdRow(arena, ifindex, fds, { isSocket: false, offload: TunOffload.USO4 })
    arena.i32[deviceRow(arena, ifindex) + DEV_KIND] = DevKind.tap
  }
  const stack = makeStack(arena, V4, KINDS)
  createQueueReader(arena, 0, { ...stack, polls: createPollSet(8) }).refresh()
  const turn = (): void => {
    while (stack.poll() !== 0);
  }
  const close = async (): Promise<void> => {
    closeRing()
    for (const namespace of [a, b]) await namespace.close()
  }
  return { a, b, turn, close }
}

/** A socket of a namespace. */
const openSocket = ({ pid }: Namespace): number => {
  const [home, there] = ['self', pid].map((who) => openPath(`/proc/${who}/ns/net`, O_RDONLY))
  check(libc.setns(there!, CLONE_NEWNET), 'setns')
  const fd = check(libc.socket(AF_INET, SOCK_STREAM | O_NONBLOCK, 0), 'socket')
  check(libc.setns(home!, CLONE_NEWNET), 'setns')
  for (const namespace of [home!, there!]) libc.close(namespace)
  setCongestionControl(fd)
  return fd
}

/** A stream from a to b: `send` and `receive` move what there is room for, and say how many bytes. */
const connect = ({ a, b, turn }: Router) => {
  const to = block(16)
  to.view.setUint16(0, AF_INET, true)
  to.view.setUint16(2, PORT)
  to.bytes.set(ipBytes(B), 4)
  const listener = openSocket(b)
  check(libc.bind(listener, to.at, 16), 'bind')
  check(listen(listener, 1), 'listen')
  const sender = openSocket(a)
  libc.connect(sender, to.at, 16)
  let receiver = -1
  for (
    const end = performance.now() + PATIENCE_MS;
    receiver < 0;
    receiver = accept(listener, 0, 0)
  ) {
    if (performance.now() > end) throw new Error('b was not reached')
    turn()
  }
  const [out, into] = [block(BYTES), block(BYTES)]
  return {
    send: (): number => Math.max(0, libc.send(sender, out.at, BYTES, MSG_DONTWAIT)),
    receive: (): number => Math.max(0, libc.recv(receiver, into.at, BYTES, MSG_DONTWAIT)),
  }
}

/** A short time of many, in milliseconds a GB: what disturbs one round does not disturb all. */
const lowOf = (times: Float64Array): number => times.toSorted()[times.length >> 4]!

const measure = async (way: StreamWay): Promise<StreamResult> => {
  const router = await (way === 'kernel' ? kernelRouter() : softnetRouter())
  const { send, receive } = connect(router)
  const all = new Float64Array(ROUNDS)
  const turns = new Float64Array(ROUNDS)
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const start = performance.now()
    const sent = send()
    let turnMs = 0
    for (let got = 0; got < sent; ) {
      const before = performance.now()
      router.turn()
      turnMs += performance.now() - before
      for (let n = receive(); n > 0; n = receive()) got += n
      if (before - start > PATIENCE_MS) throw new Error('the stream stands still')
    }
    if (round < 0) continue
    all[round] = ((performance.now() - start) * 1e9) / sent
    turns[round] = (turnMs * 1e9) / sent
  }
  await router.close()
  return { way, allMs: lowOf(all), turnMs: lowOf(turns) }
}

/** Prints and returns what a GB costs, by each way; each in a process of its own, inside a namespace. */
export const runStream = (): StreamResult[] => {
  console.log('\none TCP stream in super-frames, sender, router and receiver in one thread: ms/GB')
  return WAYS.map((way) => {
    const { stdout, stderr, success } = Bun.spawnSync([process.execPath, import.meta.path, way])
    if (!success) throw new Error(`a stream was not measured: ${stderr}`)
    const result = JSON.parse(`${stdout}`) as StreamResult
    const { allMs, turnMs } = result
    const part = way === 'softnet' ? `; a worker with what it delivers ${turnMs.toFixed(0)}` : ''
    console.log(`  ${way.padEnd(10)} ${allMs.toFixed(0)}${part}`)
    return result
  })
}

if (import.meta.main) console.log(JSON.stringify(await measure(process.argv[2] as StreamWay)))
