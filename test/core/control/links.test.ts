import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import type { Carrier, LinkOps } from '../../../core/dev/kinds/link-kind.ts'
import type { LinkItem } from '../../../core/control/text/messages.ts'
import {
  DEV_GENERATION,
  DEV_IFINDEX,
  DEV_IMPAIRED,
  DEV_LOSS,
  DevStat,
  deviceFds,
  deviceRow,
  deviceStats,
} from '../../../core/netdev/netdev.ts'
import { G_GENERATION, THREAD_ACK, THREAD_WORDS } from '../../../core/shm/layout.ts'
import { counterBank } from '../../../core/shm/counters.ts'
import { Ipi, Notify } from '../../../core/shm/ipi.ts'
import { deviceDrops, Drop, DROP_COUNTERS } from '../../../core/skb/drop.ts'
import { FLAGS, itemOf, makeControl, refusal } from '../../support/control-plane.ts'

/** A kind whose devices record what is done with them. */
const recorder = () => {
  const log: string[] = []
  const tap: LinkOps = {
    newlink: async ({ ifindex, spec }) => {
      log.push(`create ${ifindex} ${spec.ifname}`)
      if (spec.ifname === 'bad0')
        return { error: Errno.EBUSY, message: 'ioctl(TUNSETIFF): Device or resource busy' }
      return { error: 0, data: { fd: 7 } }
    },
    dellink: async (ifindex) => void log.push(`destroy ${ifindex}`),
    changed: (ifindex) => void log.push(`change ${ifindex}`),
  }
  return { log, drivers: { tap } }
}
const add = (ifname: string, more: object = {}) =>
  ({ type: 'RTM_NEWLINK', flags: FLAGS.add, link: { ifname, kind: 'tap', ...more } }) as const

test('what netem counts begins at nothing with each netem', async () => {
  const { control, arena } = makeControl()
  const link = { ifname: 'd0', kind: 'dummy' }
  await control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link })
  const set = async (netem: object) =>
    itemOf<LinkItem>(
      await control.request({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'd0', netem } })
    )
  const { ifindex, qdisc_stats } = await set({ loss: 1 })
  const none = { bytes: 0, packets: 0, drops: 0, backlog: 0, qlen: 0 }
  expect(qdisc_stats).toEqual(none)
  const worker = deviceStats(arena, 0, ifindex)
  for (const [name, count] of [
    ['packets', 5],
    ['bytes', 300],
    ['drops', 2],
  ] as const)
    arena.f64[worker + DevStat[`netem_${name}`]]! += count
  expect((await set({ loss: 2 })).qdisc_stats).toEqual({
    ...none,
    packets: 5,
    bytes: 300,
    drops: 2,
  })
  expect((await set({})).qdisc_stats).toBeUndefined()
  expect((await set({ delay: 1000 })).qdisc_stats).toEqual(none)
})

test('what was dropped at a device is not told of the next with its number', async () => {
  const { control, arena } = makeControl()
  const link = { ifname: 'd0', kind: 'dummy' }
  const add = async (ifname: string): Promise<number> =>
    itemOf<LinkItem>(
      await control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link: { ...link, ifname } })
    ).ifindex
  const ifindex = await add('d0')
  arena.f64[counterBank(arena, 0) + DROP_COUNTERS + Drop.IP_CSUM] = 4
  arena.f64[deviceDrops(arena, 0, ifindex) + Drop.IP_CSUM] = 4
  const devices = () => [...control.dump({ type: 'DROPS' })].flat()[0]!.devices
  expect(devices()).toEqual([{ dev: 'd0', count: 4, worker: [4, 0] }])
  await control.request({ type: 'RTM_DELLINK', ifname: 'd0' })
  control.poll()
  expect(await add('d1')).toBe(ifindex)
  expect(devices()).toEqual([])
})

test('a queue is as long as 32 bits say', async () => {
  const { control } = makeControl()
  const link = { ifname: 'd0', kind: 'dummy', txqlen: 2 ** 32 - 1 }
  const reply = await control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link })
  expect(itemOf<LinkItem>(reply).txqlen).toBe(2 ** 32 - 1)
})

describe('ip link add', () => {
  test('lets the driver open the device and shows it', async () => {
    const { log, drivers } = recorder()
    const { control } = makeControl({}, drivers)
    const reply = await control.request(
      add('tap0', { mtu: 1400, address: '02:00:00:00:00:01', up: true })
    )
    expect(reply).toMatchObject({
      error: 0,
      item: {
        ifindex: 2,
        ifname: 'tap0',
        mtu: 1400,
        address: '02:00:00:00:00:01',
        operstate: 'UP',
        flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
        linkinfo: { info_kind: 'tap', info_data: { fd: 7 } },
      },
      applied_by: [0, 1],
    })
    expect(log).toEqual(['create 2 tap0', 'change 2'])
  })

  test('that the driver refuses leaves nothing behind', async () => {
    const { drivers } = recorder()
    const { control } = makeControl({}, drivers)
    expect(refusal(await control.request(add('bad0')))).toBe(
      'ioctl(TUNSETIFF): Device or resource busy'
    )
    expect((await control.request({ type: 'RTM_GETLINK', ifname: 'bad0' })).error).toBe(
      Errno.ENODEV
    )
    expect(await control.request(add('tap0'))).toMatchObject({ item: { ifindex: 2 } })
  })

  test.each([
    [{ ifname: 'lo' }, Errno.EEXIST, 'RTNETLINK answers: File exists'],
    [{ kind: 'nope' }, Errno.EOPNOTSUPP, 'Error: Unknown device type.'],
    [
      { ifname: 'a name' },
      Errno.EINVAL,
      'Error: argument "a name" is wrong: "name" not a valid ifname',
    ],
    [
      { data: { colour: 'red' } },
      Errno.EINVAL,
      'Error: Unknown attribute "colour": type "tap" takes nothing.',
    ],
    [
      { kind: 'veth', data: { peer: 'b', fast: true } },
      Errno.EINVAL,
      'Error: Unknown attribute "fast": type "veth" takes peer.',
    ],
    [{ kind: 'veth', data: { peer: 7 } }, Errno.EINVAL, 'Error: The peer is named by its name.'],
    [{ num_tx_queues: 2 }, Errno.EINVAL, 'Error: Invalid number of transmit queues.'],
    [{ num_rx_queues: 64 }, Errno.EINVAL, 'Error: Invalid number of receive queues.'],
    [{ mtu: 67 }, Errno.EINVAL, 'Error: mtu less than device minimum.'],
    [{ mtu: 65536 }, Errno.EINVAL, 'Error: mtu greater than device maximum.'],
    [
      { address: '01:00:5e:00:00:01' },
      Errno.EADDRNOTAVAIL,
      '"01:00:5e:00:00:01" is not a usable lladdr',
    ],
  ])('%j is refused', async (more, errno, message) => {
    const { log, drivers } = recorder()
    const { control } = makeControl({}, drivers)
    expect(await control.request(add('tap0', more))).toMatchObject({ error: errno, message })
    expect(log).toEqual([])
  })

  test('runs out of rows with ENOBUFS', async () => {
    const { drivers } = recorder()
    const { control } = makeControl({ devices: 4 }, drivers)
    await control.request(add('tap0'))
    await control.request(add('tap1'))
    expect((await control.request(add('tap2'))).error).toBe(Errno.ENOBUFS)
  })
})

describe('a veth', () => {
  test('comes as two, and has carrier while its peer is up', async () => {
    const { control, ip } = makeControl()
    await ip.veth('a', false)
    const get = async (ifname: string) =>
      itemOf(await control.request({ type: 'RTM_GETLINK', ifname }))
    await ip.link('a', { up: true })
    expect(await get('a')).toMatchObject({
      link: 'ap',
      operstate: 'LOWERLAYERDOWN',
      flags: ['NO-CARRIER', 'BROADCAST', 'MULTICAST', 'UP'],
    })
    await ip.link('ap', { up: true })
    expect(await get('a')).toMatchObject({ operstate: 'UP' })
    await ip.link('ap', { up: false })
    expect(await get('a')).toMatchObject({ operstate: 'LOWERLAYERDOWN' })
  })

  test('goes as two', async () => {
    const { control, ip } = makeControl()
    await ip.veth('a')
    await control.request({ type: 'RTM_DELLINK', ifname: 'ap' })
    expect([...control.dump({ type: 'RTM_GETLINK' })].flat().map(({ ifname }) => ifname)).toEqual([
      'lo',
    ])
  })
})

describe('ip link set', () => {
  test('renames, and the new name is what routes say', async () => {
    const { ip } = makeControl()
    await ip.veth('eth0')
    await ip.addr('10.0.0.1/24', 'eth0')
    expect((await ip.link('eth0', { newname: 'lan' })).error).toBe(0)
    expect(ip.routes()).toEqual(['10.0.0.0/24 dev lan proto kernel scope link src 10.0.0.1'])
    expect(refusal(await ip.link('lan', { newname: 'lo' }))).toBe('RTNETLINK answers: File exists')
    expect(refusal(await ip.link('eth0', { mtu: 1400 }))).toBe('Cannot find device "eth0"')
  })

  test('impairs in percent and microseconds, and heals', async () => {
    const { ip, arena } = makeControl()
    await ip.veth('eth0')
    await ip.link('eth0', { netem: { loss: 1.5, delay: 20_000 } })
    const rows = [2, 3].map((ifindex) => deviceRow(arena, ifindex))
    const impaired = rows.find((at) => arena.i32[at + DEV_IMPAIRED] === 1)!
    expect(arena.i32[impaired + DEV_LOSS]).toBe(15_000)
    expect(await ip.link('eth0', { netem: {} })).not.toHaveProperty('item.netem')
    expect(arena.i32[impaired + DEV_IMPAIRED]).toBe(0)
  })

  test('a change that is refused changes nothing', async () => {
    const { ip, control } = makeControl()
    await ip.veth('eth0')
    const before = await control.request({ type: 'RTM_GETLINK', ifname: 'eth0' })
    await ip.link('eth0', { mtu: 1400, netem: { loss: 101 } })
    const after = await control.request({ type: 'RTM_GETLINK', ifname: 'eth0' })
    expect(itemOf(after)).toEqual(itemOf(before))
  })
})

test('down, and another MAC, make the threads forget neighbours; the other end loses its carrier', async () => {
  const { ip, workerIpi, turn } = makeControl()
  await ip.veth('eth0')
  const flushed: number[][] = []
  workerIpi[0]!.on(Ipi.DEV_DOWN, (_from, ...device) => flushed.push(device.slice(0, 2)))
  const { ifindex } = itemOf(await ip.link('eth0', { address: '02:00:00:00:00:05' })) as {
    ifindex: number
  }
  await ip.link('eth0', { mtu: 1400 })
  await ip.link('eth0', { up: false })
  turn()
  const peer = ifindex + 1
  expect(flushed).toEqual([
    [ifindex, 0],
    [peer, 1],
    [ifindex, 0],
  ])
})

describe('ip link del', () => {
  test('closes the device only when no thread uses it, and tells them', async () => {
    const { log, drivers } = recorder()
    const { control, arena, stuck, workerIpi, turn } = makeControl({}, drivers)
    await control.request(add('tap0', { up: true }))
    const gone: number[] = []
    workerIpi[0]!.on(Ipi.DEV_DOWN, (_from, ifindex) => gone.push(ifindex))
    stuck.add(1)
    const deleting = control.request({ type: 'RTM_DELLINK', ifname: 'tap0' })
    for (let k = 0; k < 50; k++) await Promise.resolve()
    expect(log).not.toContain('destroy 2')
    stuck.delete(1)
    turn()
    expect((await deleting).error).toBe(0)
    turn()
    expect(log).toContain('destroy 2')
    expect(gone).toEqual([2])
    expect(arena.i32[deviceRow(arena, 2) + DEV_IFINDEX]).toBe(0)
  })

  test('frees the row for the next device, with another generation and none of the old words', async () => {
    const { drivers } = recorder()
    const { control, arena } = makeControl({}, drivers)
    await control.request(add('tap0', { up: true }))
    const row = deviceRow(arena, 2)
    const generation = arena.i32[row + DEV_GENERATION]!
    arena.i32[deviceFds(arena, 2)] = 9
    await control.request({ type: 'RTM_DELLINK', ifname: 'tap0' })
    expect(await control.request(add('tap1'))).toMatchObject({ error: 0, item: { ifindex: 2 } })
    expect(arena.i32[row + DEV_GENERATION]).toBe(generation + 1)
    expect(arena.i32[deviceFds(arena, 2)]).toBe(0)
  })

  test('takes addresses and routes along', async () => {
    const { ip, control } = makeControl()
    const before = ip.routes({ table: 'all' })
    await ip.veth('eth0')
    await ip.addr('10.0.0.1/24', 'eth0')
    await ip.route('add', 'default via 10.0.0.254')
    await control.request({ type: 'RTM_DELLINK', ifname: 'eth0' })
    expect(ip.routes({ table: 'all' })).toEqual(before)
    expect([...control.dump({ type: 'RTM_GETADDR' })].flat()).toHaveLength(1)
  })

  test('of lo is refused, of another that is going: there is none', async () => {
    const { ip, control } = makeControl()
    await ip.veth('eth0')
    expect((await control.request({ type: 'RTM_DELLINK', ifname: 'lo' })).error).toBe(
      Errno.EOPNOTSUPP
    )
    const first = control.request({ type: 'RTM_DELLINK', ifname: 'eth0' })
    const second = await control.request({ type: 'RTM_DELLINK', ifname: 'eth0' })
    expect(refusal(second)).toBe('Cannot find device "eth0"')
    expect((await first).error).toBe(0)
  })
})

test('a worker that is not running does not hold changes up', async () => {
  const { ip, arena, stuck } = makeControl()
  stuck.add(1)
  const block = arena.layout.threadBlocks + THREAD_WORDS
  arena.i32[block + 3] = 0
  arena.i32[block + THREAD_ACK] = 0
  await ip.veth('eth0')
  expect(await ip.addr('10.0.0.1/24', 'eth0')).toMatchObject({ error: 0, applied_by: [0] })
  expect(arena.i32[G_GENERATION]).toBeGreaterThan(0)
})

test('lo keeps its name', async () => {
  const { control } = makeControl()
  const link = { ifname: 'lo', newname: 'lo9' }
  const reply = await control.request({ type: 'RTM_NEWLINK', flags: 0, link })
  expect(refusal(reply)).toBe('RTNETLINK answers: Operation not supported')
})

describe('the other side of a device', () => {
  /** Devices whose other side the test holds. */
  const setup = async () => {
    const side = { carrier: 'up' as Carrier, failed: [] as number[] }
    const tap: LinkOps = {
      newlink: () => ({ error: 0 }),
      dellink: () => {},
      carrier: () => side.carrier,
      failed: (_ifindex, errno) => void side.failed.push(errno),
      xstats: () => ({ replay: 'playing' }),
    }
    const made = makeControl({}, { tap })
    const heard: string[] = []
    await made.control.request(add('tap0', { up: true }))
    await made.ip.addr('10.0.0.1/24', 'tap0')
    made.control.subscribe(['link', 'route'], ({ item, event }) => {
      const { ifname, operstate, flags } = item as LinkItem
      heard.push(`${event} ${ifname} ${operstate} ${flags.filter((f) => f.includes('CARRIER'))}`)
    })
    const link = async () =>
      itemOf<LinkItem>(await made.control.request({ type: 'RTM_GETLINK', ifname: 'tap0' }))
    return { ...made, side, heard, link }
  }

  test('loses its carrier: state, flags, watchers and routes say so, once', async () => {
    const { arena, control, ip, side, heard, link } = await setup()
    const before = Atomics.load(arena.i32, G_GENERATION)
    control.poll()
    expect(heard).toEqual([])
    expect(Atomics.load(arena.i32, G_GENERATION)).toBe(before)
    side.carrier = 'down'
    control.poll()
    control.poll()
    expect(heard).toEqual(['new tap0 DOWN NO-CARRIER'])
    expect(Atomics.load(arena.i32, G_GENERATION)).toBe(before + 1)
    expect((await link()).flags).toEqual(['NO-CARRIER', 'BROADCAST', 'MULTICAST', 'UP'])
    expect(ip.routes()).toEqual([
      '10.0.0.0/24 dev tap0 proto kernel scope link src 10.0.0.1 linkdown',
    ])
    expect(ip.routes({ table: 'local' }).find((route) => route.startsWith('local 10.'))).toBe(
      'local 10.0.0.1 dev tap0 proto kernel scope host src 10.0.0.1'
    )
    side.carrier = 'up'
    control.poll()
    expect(heard.slice(1)).toEqual(['new tap0 UP '])
    expect(ip.routes()[0]).not.toContain('linkdown')
  })

  test('that is gone does not come back, and the link can be deleted', async () => {
    const { control, side, heard, link } = await setup()
    side.carrier = 'gone'
    control.poll()
    side.carrier = 'up'
    control.poll()
    expect(heard).toEqual(['new tap0 NOTPRESENT NO-CARRIER'])
    expect((await link()).operstate).toBe('NOTPRESENT')
    const gone = await control.request({ type: 'RTM_DELLINK', ifname: 'tap0' })
    expect(gone.error).toBe(0)
    expect((await control.request(add('tap0', { up: true }))).error).toBe(0)
    expect((await link()).operstate).toBe('UP')
  })

  test('without carrier while the link is down is no news for its neighbours', async () => {
    const { control, ip, side, workerIpi } = await setup()
    const told: number[][] = []
    workerIpi[0]!.on(Ipi.DEV_DOWN, (_from, ifindex, isCarrierOnly) => {
      told.push([ifindex, isCarrierOnly])
    })
    side.carrier = 'down'
    control.poll()
    workerIpi[0]!.run()
    expect(told).toEqual([[2, 1]])
    await ip.link('tap0', { up: false })
    side.carrier = 'up'
    control.poll()
    side.carrier = 'down'
    control.poll()
    workerIpi[0]!.run()
    expect(told).toEqual([
      [2, 1],
      [2, 0],
    ])
  })

  test('an error that a thread met reaches the driver of that very device', async () => {
    const { arena, control, side, workerIpi } = await setup()
    const tell = (ifindex: number, generation: number) =>
      workerIpi[1]!.send(
        arena.layout.controlThread,
        Ipi.NOTIFY,
        Notify.DEVICE,
        0,
        ifindex,
        generation,
        Errno.EIO
      )
    const generation = arena.i32[deviceRow(arena, 2) + DEV_GENERATION]!
    tell(2, generation)
    tell(2, generation + 1)
    tell(3, generation)
    control.poll()
    expect(side.failed).toEqual([Errno.EIO])
  })

  test('what the driver has to say is shown', async () => {
    const { link } = await setup()
    expect((await link()).linkinfo).toEqual({
      info_kind: 'tap',
      info_xstats: { replay: 'playing' },
    })
  })
})
