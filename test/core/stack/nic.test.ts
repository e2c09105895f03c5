import { describe, expect, test } from 'bun:test'
import type { Carrier, LinkOps } from '../../../core/dev/kinds/link-kind.ts'
import { portRxRing } from '../../../core/dev/kinds/ports.ts'
import {
  DEV_FEATURES,
  DEV_IFINDEX,
  deviceRow,
  DevStat,
  NETIF_F_GRO,
  sumDeviceStat,
} from '../../../core/netdev/netdev.ts'
import { backlogRing } from '../../../core/shm/arena.ts'
import {
  ringPublish,
  ringPush,
  ringReadable,
  ringRelease,
  ringTake,
} from '../../../core/shm/ring.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { LARGE_ROOM, RX_HEADROOM, SKB_DEV, SKB_GSO_SEGS } from '../../../core/skb/skb.ts'
import type { NicEnv } from '../../../core/stack/nic.ts'
import { createNic } from '../../../core/stack/nic.ts'
import { FLAGS, makeControl } from '../../support/control-plane.ts'
import { ipFrame, tcpFrame } from '../../../sim/net/packets.ts'

const NIC = 2
const TAP = 2
const PORT = 3

/** Datagrams of different flows. */
const frameOf = (flow: number): Uint8Array =>
  ipFrame(
    { dst: '02:00:00:00:00:01', src: '02:00:00:00:00:02' },
    { saddr: '10.0.0.2', daddr: '10.0.1.2' },
    Uint8Array.of(flow >> 8, flow, 0, 9, 0, 8, 0, 0)
  )

/** The k-th segment of a transfer. */
const segmentOf = (k: number): Uint8Array =>
  tcpFrame(
    { dst: '02:00:00:00:00:01', src: '02:00:00:00:00:02' },
    { saddr: '10.0.0.2', daddr: '10.0.1.2', id: k },
    { sport: 1, dport: 2, seq: k * 100 },
    new Uint8Array(100)
  )

/** A nic over a tap and a port that are up; the test fills `waiting` with what the tap has to read. */
const setup = async () => {
  const side = { carrier: 'up' as Carrier, room: 0 }
  const tap: LinkOps = {
    newlink: () => ({ error: 0 }),
    dellink: () => {},
    carrier: () => side.carrier,
  }
  const { arena, control, ip } = makeControl({ nics: 1, apps: 1 }, { tap })
  const peer = arena.layout.appThread
  for (const [kind, data] of [
    ['tap', {}],
    ['port', { peer }],
  ] as const) {
    const link = { ifname: `${kind}0`, kind, data, up: true }
    await control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link })
  }
  const waiting: Uint8Array[] = []
  const log: string[] = []
  let devices: readonly number[] = []
  let env: NicEnv
  const nic = createNic({
    arena,
    thread: NIC,
    wake: () => {},
    nowUs: () => 0,
    input: (given) => {
      env = given
      return {
        refresh: (rows) => {
          devices = rows.map((row) => arena.i32[row + DEV_IFINDEX]!)
        },
        receive(budget, deliver) {
          const batch = waiting.splice(0, budget)
          for (const frame of batch) {
            const skb = env.skbs.alloc(side.room || frame.length, RX_HEADROOM)
            arena.u8.set(frame, env.skbs.put(skb, frame.length))
            arena.i32[skb + SKB_DEV] = TAP
            deliver(skb)
          }
          return batch.length
        },
        wait: (ms) => void log.push(`wait ${ms}`),
        nextDelay: (ms) => Math.min(ms, 250),
      }
    },
    sleep: (pending, wait) => (pending() ? log.push('work has come') : wait()),
    rest: () => void log.push('rest'),
  })
  nic.refresh()
  const ringOf = (cpu: number): number => backlogRing(arena.layout, cpu, NIC)
  const backlogLens = (): number[] => [0, 1].map((cpu) => ringReadable(arena.i32, ringOf(cpu)))
  const rxPackets = (ifindex: number): number => sumDeviceStat(arena, ifindex, DevStat.rx_packets)
  return {
    arena,
    control,
    ip,
    nic,
    waiting,
    log,
    side,
    ringOf,
    backlogLens,
    rxPackets,
    devices: () => devices,
  }
}

describe('a nic', () => {
  test('spreads flows over the backlogs of the CPUs, each flow on one', async () => {
    const { nic, waiting, backlogLens, log } = await setup()
    for (let flow = 0; flow < 64; flow++) waiting.push(frameOf(flow))
    nic.turn()
    const once = backlogLens()
    expect(once[0]! + once[1]!).toBe(64)
    expect(Math.min(...once)).toBeGreaterThan(8)
    for (let flow = 0; flow < 64; flow++) waiting.push(frameOf(flow))
    nic.turn()
    expect(backlogLens()).toEqual([once[0]! * 2, once[1]! * 2])
    expect(log).toEqual(['wait 0', 'wait 0'])
  })

  test('puts the frames of a TCP flow together before it steers them, one batch at a time', async () => {
    const { arena, nic, waiting, ringOf, backlogLens } = await setup()
    arena.i32[deviceRow(arena, TAP) + DEV_FEATURES]! |= NETIF_F_GRO
    for (let k = 0; k < 3; k++) waiting.push(segmentOf(k))
    nic.turn()
    expect(backlogLens().toSorted()).toEqual([0, 1])
    const ring = ringOf(backlogLens()[0] === 1 ? 0 : 1)
    expect(arena.i32[ringTake(arena.i32, ring) + SKB_GSO_SEGS]).toBe(3)
    waiting.push(segmentOf(3))
    nic.turn()
    expect(arena.i32[ringTake(arena.i32, ring) + SKB_GSO_SEGS]).toBe(0)
  })

  test('of frames read into large buffers only what has become long keeps one', async () => {
    const { arena, nic, waiting, side, backlogLens } = await setup()
    arena.i32[deviceRow(arena, TAP) + DEV_FEATURES]! |= NETIF_F_GRO
    side.room = LARGE_ROOM
    const { larges } = nic.skbs.available()
    for (let k = 0; k < 20; k++) waiting.push(segmentOf(k))
    waiting.push(segmentOf(30), frameOf(1), frameOf(2))
    nic.turn()
    expect(backlogLens()[0]! + backlogLens()[1]!).toBe(4)
    expect(nic.skbs.available().larges).toBe(larges - 1)
  })

  test('sleeps when there is nothing, no longer than its input has said', async () => {
    const { nic, log } = await setup()
    nic.turn()
    expect(log).toEqual(['wait 250'])
  })

  test('takes what the peer of a port has sent', async () => {
    const { arena, nic, backlogLens, log, rxPackets } = await setup()
    const ring = portRxRing(arena, 0)
    const frame = frameOf(1)
    const skb = nic.skbs.alloc(frame.length, RX_HEADROOM)
    arena.u8.set(frame, nic.skbs.put(skb, frame.length))
    ringPush(arena.i32, ring, skb)
    ringPublish(arena.i32, ring)
    nic.turn()
    expect(arena.i32[skb + SKB_DEV]).toBe(PORT)
    expect(rxPackets(PORT)).toBe(1)
    const [a, b] = backlogLens()
    expect(a! + b!).toBe(1)
    expect(log).toEqual(['wait 0'])
  })

  test('rests when a backlog is full, and loses nothing of its memory', async () => {
    const { arena, nic, waiting, backlogLens, ringOf, log } = await setup()
    const before = nic.skbs.available()
    arena.i32[arena.layout.sysctl + Sysctl.netdev_max_backlog] = 4
    for (let k = 0; k < 10; k++) waiting.push(frameOf(7))
    nic.turn()
    const [a, b] = backlogLens()
    expect(a! + b!).toBe(4)
    expect(log).toEqual(['rest', 'wait 0'])
    for (const cpu of [0, 1])
      for (let n = backlogLens()[cpu]!; n > 0; n--) {
        nic.skbs.free(ringTake(arena.i32, ringOf(cpu)))
        ringRelease(arena.i32, ringOf(cpu))
      }
    expect(nic.skbs.available()).toEqual(before)
  })

  test('reads devices that are up and there, ports aside', async () => {
    const { control, ip, nic, side, devices } = await setup()
    expect(devices()).toEqual([1, TAP])
    await ip.link('tap0', { up: false })
    nic.refresh()
    expect(devices()).toEqual([1])
    await ip.link('tap0', { up: true })
    side.carrier = 'down'
    control.poll()
    nic.refresh()
    expect(devices()).toEqual([1, TAP])
    side.carrier = 'up'
    control.poll()
    side.carrier = 'gone'
    control.poll()
    nic.refresh()
    expect(devices()).toEqual([1])
  })
})
