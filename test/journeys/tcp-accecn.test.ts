// Accurate ECN between whole stacks, through a router whose wires mark: what each end has received marked is what the other
// says was marked, in segments and in octets, whatever is put together or cut on the way; and the window answers.

import { describe, expect, test } from 'bun:test'
import { isAccecn } from '../../core/transport/tcp/ecn/tcp-accecn.ts'
import {
  TP_ACCECN_FAIL,
  TP_DELIVERED_CE,
  TP_DELIVERED_ECN_BYTES,
  TP_ECN,
  TP_RECEIVED_CE,
  TP_RECEIVED_CE_PENDING,
  TP_RECEIVED_ECN_BYTES,
} from '../../core/transport/tcp/sock/tcp-sock.ts'
import { dialTcp, serveTcp } from '../../sim/net/sim-apps.ts'
import type { WireOptions } from '../../sim/net/sim-wire.ts'
import { LONG_MS, routed } from '../support/sim-topology.ts'

const MINUTES = 60_000
/** Place of CE's among the counters of octets. */
const CE = 2
const BYTES = 600_000

type Setup = {
  wire: WireOptions
  offload: boolean
  option?: number
  client?: number
  server?: number
}
/** A transfer both ways at once, and what both ends have counted when all is acknowledged. */
const transfer = async ({ wire, offload, option = 2, client = 3, server = 3 }: Setup) => {
  const kind = { offload }
  const net = await routed({ wire, a: kind, b: kind, router: kind })
  const set = (host: typeof net.a, name: string, value: number) =>
    host.must({ type: 'SYSCTL_SET', name: `net.ipv4.${name}`, value: `${value}` })
  await set(net.a, 'tcp_ecn', client)
  await set(net.b, 'tcp_ecn', server)
  for (const host of [net.a, net.b]) await set(host, 'tcp_ecn_option', option)
  const listener = serveTcp(net.b, 80)
  const left = dialTcp(net.a, '10.0.2.2', 80)
  net.sim.run(MINUTES, () => left.connected && listener.ends.length === 1)
  const right = listener.ends[0]!
  left.start(BYTES)
  right.start(BYTES)
  net.sim.run(10 * MINUTES, () => left.received >= BYTES && right.received >= BYTES)
  // acknowledgements at the end, which say nothing new, may have been marked: what comes later tells of them
  net.sim.run(2000)
  left.start(1)
  net.sim.run(2000)
  right.start(1)
  net.sim.run(2000)
  for (const end of [left, right])
    expect({ received: end.received, wrong: end.wrong, error: end.error }).toEqual({
      received: BYTES + 1,
      wrong: 0,
      error: 0,
    })
  const word = (host: typeof net.a, sk: number, at: number) => host.arena.i32[sk + at]!
  const counted = [
    [net.a, left.sk],
    [net.b, right.sk],
  ].map(([host, sk]) => {
    const of = (at: number) => word(host as typeof net.a, sk as number, at)
    return {
      isAccecn: isAccecn(of(TP_ECN)),
      fail: of(TP_ACCECN_FAIL),
      received: of(TP_RECEIVED_CE),
      pending: of(TP_RECEIVED_CE_PENDING),
      delivered: of(TP_DELIVERED_CE),
      receivedBytes: of(TP_RECEIVED_ECN_BYTES + CE),
      deliveredBytes: of(TP_DELIVERED_ECN_BYTES + CE),
    }
  })
  left.finish()
  net.sim.run(MINUTES, () => right.eof)
  right.close()
  net.sim.run(MINUTES, () => left.eof)
  left.close()
  listener.close()
  net.sim.run(LONG_MS)
  expect(net.sim.leaks()).toEqual({})
  return { left: counted[0]!, right: counted[1]! }
}

/** What was told of those that came, marked, to each end, and by the other. */
const ways = ({ left, right }: Awaited<ReturnType<typeof transfer>>) => [
  { came: left, said: right },
  { came: right, said: left },
]

describe.each([false, true])('offloads %p', (offload) => {
  test.each([0.01, 0.3])('%d of all packets marked: both ends count alike', async (mark) => {
    const ends = await transfer({ wire: { mark, delayUs: 2000 }, offload })
    for (const { came, said } of ways(ends)) {
      expect(came).toMatchObject({ isAccecn: true, fail: 0 })
      expect(came.received).toBeGreaterThan(0)
      expect(said.deliveredBytes).toBe(came.receivedBytes)
      // but for acknowledgements, which may be marked and are not acknowledged themselves
      expect(said.delivered).toBeLessThanOrEqual(came.received)
      expect(said.delivered).toBeGreaterThanOrEqual(came.received - came.pending)
    }
  })
  test('without the option segments are counted all the same, though not too low', async () => {
    const wire = { mark: 0.1, delayUs: 2000 }
    for (const { came, said } of ways(await transfer({ wire, offload, option: 0 }))) {
      expect(said.delivered).toBeGreaterThanOrEqual(came.received - came.pending)
      expect(said.delivered).toBeLessThan(came.received * 1.2)
      expect(came.receivedBytes).toBeGreaterThan(0)
      expect(said.deliveredBytes).toBe(0)
    }
  })
  test('marks and losses: octets are counted alike', async () => {
    const wire = { mark: 0.05, loss: 0.02, delayUs: 2000 }
    for (const { came, said } of ways(await transfer({ wire, offload }))) {
      expect(came.fail).toBe(0)
      expect(said.deliveredBytes).toBe(came.receivedBytes)
      expect(said.delivered).toBeGreaterThanOrEqual(came.received - came.pending)
    }
  })
})
test('one end without AccECN: the other has RFC 3168 with it, or nothing', async () => {
  const wire = { mark: 0.02, delayUs: 2000 }
  for (const [client, server] of [
    [3, 1],
    [1, 3],
  ]) {
    const { left, right } = await transfer({ wire, offload: false, client, server })
    expect([left.isAccecn, right.isAccecn]).toEqual([false, false])
    expect(left.delivered).toBeGreaterThan(0)
    expect(right.delivered).toBeGreaterThan(0)
  }
  const none = await transfer({ wire, offload: false, client: 3, server: 0 })
  expect(none.left).toMatchObject({ isAccecn: false, received: 0, delivered: 0 })
})
