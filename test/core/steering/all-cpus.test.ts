// Masks of CPUs are one word: the last of MAX_WORKERS CPUs is its sign bit.
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import { createArena } from '../../../core/shm/arena.ts'
import { MAX_WORKERS, SMALL_ARENA } from '../../../core/shm/layout.ts'
import { SKB_TRIED } from '../../../core/skb/skb.ts'
import { createSkbs } from '../../../core/skb/skbs.ts'
import { createCpuFlowLimit } from '../../../core/steering/cpu-flow-limit.ts'
import { createOwnedFlows } from '../../../core/transport/owned-flows.ts'
import { makeControl } from '../../support/control-plane.ts'

const LAST = MAX_WORKERS - 1
const SMALL = { ...SMALL_ARENA, workers: MAX_WORKERS, skbs: 1024, smallBuffers: 512 }

describe('a packet whose flow hashes to slots of every CPU', () => {
  const world = () => {
    const arena = createArena({ ...SMALL, socks: 16 })
    const skb = createSkbs(arena, 0).alloc(60, 130)
    let at = -1
    const flows = Array.from({ length: MAX_WORKERS }, (_, worker) =>
      createOwnedFlows({
        arena,
        worker,
        steerTo: (cpu, passed) => {
          expect(passed).toBe(skb)
          at = cpu
        },
      })
    )
    return { arena, skb, flows, at: () => at }
  }

  test('visits each of them once, the last one too, and then has no owner', () => {
    const { skb, flows, at } = world()
    for (const flow of flows) flow.add(77)
    const visited = [0]
    for (let cpu = 0; flows[cpu]!.passOn(skb, 77, false); cpu = at()) visited.push(at())
    expect(visited).toEqual(flows.map((_, cpu) => cpu))
  })

  test('goes straight to the last CPU when that alone has it, and back to none', () => {
    const { skb, flows, at } = world()
    flows[LAST]!.add(77)
    expect(flows[0]!.passOn(skb, 77, false)).toBe(true)
    expect(at()).toBe(LAST)
    expect(flows[LAST]!.passOn(skb, 77, false)).toBe(false)
    flows[LAST]!.remove(77)
    expect(flows[3]!.passOn(skb, 77, false)).toBe(false)
  })

  test('is not passed on when it says that all have looked', () => {
    const { arena, skb, flows } = world()
    for (const flow of flows) flow.add(77)
    arena.i32[skb + SKB_TRIED] = -1
    for (const flow of flows) expect(flow.passOn(skb, 77, false)).toBe(false)
  })
})

test('flow_limit_cpu_bitmap reaches the last CPU, as a number without sign', async () => {
  const { control, arena } = makeControl({ ...SMALL, socks: 16 })
  const name = 'net.core.flow_limit_cpu_bitmap'
  const limited = createCpuFlowLimit(arena)
  const heavy = (cpu: number): boolean => {
    let is = false
    for (let k = 0; k < 128; k++) is = limited(cpu, 5, 999)
    return is
  }
  expect(heavy(LAST)).toBe(false)
  expect(await control.request({ type: 'SYSCTL_SET', name, value: 2 ** LAST })).toMatchObject({
    item: { name, value: 2 ** LAST },
  })
  expect([heavy(LAST), heavy(0)]).toEqual([true, false])
  expect(await control.request({ type: 'SYSCTL_SET', name, value: 2 ** 32 - 1 })).toMatchObject({
    item: { value: 2 ** 32 - 1 },
  })
  expect(heavy(0)).toBe(true)
  // a limit that is switched on has tables of the length of then: with two buckets other flows are in that of 5
  const table = 'net.core.flow_limit_table_len'
  expect((await control.request({ type: 'SYSCTL_SET', name: table, value: 2 })).error).toBe(0)
  expect((await control.request({ type: 'SYSCTL_SET', name: table, value: 3 })).error).toBe(
    Errno.EINVAL
  )
  expect(limited(0, 7, 999)).toBe(false)
  await control.request({ type: 'SYSCTL_SET', name, value: 0 })
  expect(heavy(0)).toBe(false)
  await control.request({ type: 'SYSCTL_SET', name, value: 1 })
  expect([heavy(0), limited(0, 7, 999)]).toEqual([true, true])
  await control.request({ type: 'SYSCTL_SET', name, value: 2 ** 32 - 1 })
  for (const value of [2 ** 32, -1])
    expect((await control.request({ type: 'SYSCTL_SET', name, value })).error).toBe(Errno.EINVAL)
})

test('rps_cpus takes and shows the mask of all CPUs', async () => {
  const { control, ip } = makeControl({ ...SMALL, socks: 16 })
  await ip.veth('eth0')
  for (const rps_cpus of ['ffffffff', '80000000', '1'])
    expect(await control.request({ type: 'RPS_SET', ifname: 'eth0', rps_cpus })).toMatchObject({
      item: { rps_cpus },
    })
  const over = await control.request({ type: 'RPS_SET', ifname: 'eth0', rps_cpus: '1ffffffff' })
  expect(over.error).toBe(Errno.EINVAL)
})
