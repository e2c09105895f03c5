import { AF_INET } from '../../../core/base/family.ts'
import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../core/base/errno.ts'
import type { Notification, StackConfig } from '../../../core/control/text/messages.ts'
import {
  NEIGH_ADDR,
  NEIGH_HH,
  NEIGH_IFINDEX,
  NEIGH_STATE,
  NEIGH_TABLE_HIGH,
  NUD_PERMANENT,
  NUD_REACHABLE,
} from '../../../core/neigh/neigh-constants.ts'
import { counterBank, Mib, Softnet } from '../../../core/shm/counters.ts'
import { Ipi, Notify } from '../../../core/shm/ipi.ts'
import {
  NEIGH_WORDS,
  THREAD_BUSY_US,
  THREAD_IDLE_US,
  THREAD_RESTARTS,
  THREAD_RUNNING,
} from '../../../core/shm/layout.ts'
import { Sysctl } from '../../../core/shm/sysctl.ts'
import { Drop, DROP_COUNTERS, deviceDrops } from '../../../core/skb/drop.ts'
import {
  SK_COOKIE,
  SK_DPORT,
  SK_FAMILY,
  SK_GENERATION,
  SK_MAX_ACK_BACKLOG,
  SK_NUM,
  SK_PROTOCOL,
  SK_SADDR,
  SK_STATE,
  SK_TYPE,
  SOCK_STREAM,
  sockSlab,
  TCP_ESTABLISHED,
  TCP_LISTEN,
} from '../../../core/socket/sock.ts'
import { dumped, FLAGS, itemOf, makeControl, refusal } from '../../support/control-plane.ts'

const host = async () => {
  const made = makeControl()
  await made.ip.veth('eth0')
  const get = (ifname: string) => made.control.request({ type: 'RTM_GETLINK', ifname })
  const ifindex = itemOf(await get('eth0')).ifindex as number
  return { ...made, ifindex }
}

/** Worker 0's part of the neighbour table, as far as control sees it. */
const withNeighbours = async () => {
  const made = await host()
  const { arena, workerIpi, ifindex } = made
  const { i32, layout } = arena
  const rowAt = (n: number): number => layout.neighbours + n * NEIGH_WORDS
  i32[layout.neighbours + NEIGH_TABLE_HIGH] = 4
  const put = (n: number, last: number, state: number) => {
    i32[rowAt(n) + NEIGH_IFINDEX] = ifindex
    i32.set([0, 0, 0xffff, 0x0a000000 + last], rowAt(n) + NEIGH_ADDR)
    i32[rowAt(n) + NEIGH_STATE] = state
    arena.u8.set([2, 0, 0, 0, 0, last], ((rowAt(n) + NEIGH_HH) << 2) + 2)
  }
  put(1, 5, NUD_REACHABLE)
  put(2, 6, NUD_PERMANENT)
  const asked: number[][] = []
  const worker = workerIpi[0]!
  let answer = 0
  worker.on(Ipi.NEIGH_SET, (from, dev, _0, _1, _2, addr, state, id, hi, lo) => {
    asked.push([Ipi.NEIGH_SET, dev, addr, state, hi, lo])
    if (answer === 0) put(3, addr & 255, state & 255)
    worker.send(from, Ipi.REPLY, id, answer)
  })
  worker.on(Ipi.NEIGH_DEL, (from, _dev, _0, _1, _2, addr, _5, id) => {
    for (const n of [1, 2, 3])
      if (i32[rowAt(n) + NEIGH_ADDR + 3] === addr) i32[rowAt(n) + NEIGH_IFINDEX] = 0
    worker.send(from, Ipi.REPLY, id, 0)
  })
  return { ...made, asked, answerWith: (errno: number) => (answer = errno) }
}

describe('ip neigh', () => {
  test('shows what worker 0 wrote', async () => {
    const { control } = await withNeighbours()
    const all = [...control.dump({ type: 'RTM_GETNEIGH' })].flat()
    expect(all).toMatchObject([
      { dst: '10.0.0.5', dev: 'eth0', lladdr: '02:00:00:00:00:05', state: ['REACHABLE'] },
      { dst: '10.0.0.6', dev: 'eth0', state: ['PERMANENT'] },
    ])
    expect(
      dumped(control, { type: 'RTM_GETNEIGH', filter: { state: ['PERMANENT'] } })
    ).toHaveLength(1)
    expect(dumped(control, { type: 'RTM_GETNEIGH', filter: { family: 'inet6' } })).toEqual([])
  })

  test('add asks worker 0 and answers when it has done so', async () => {
    const { control, asked, ifindex } = await withNeighbours()
    const neigh = { dev: 'eth0', dst: '10.0.0.9', lladdr: '02:00:00:00:00:09' }
    expect(await control.request({ type: 'RTM_NEWNEIGH', flags: FLAGS.add, neigh })).toMatchObject({
      error: 0,
      item: { dst: '10.0.0.9', lladdr: '02:00:00:00:00:09', state: ['PERMANENT'] },
    })
    expect(asked).toEqual([[Ipi.NEIGH_SET, ifindex, 0x0a000009, NUD_PERMANENT, 0x0200, 9]])
  })

  test('add of what is there: File exists; change and del of what is not: No such file or directory', async () => {
    const { control, answerWith } = await withNeighbours()
    const neigh = { dev: 'eth0', dst: '10.0.0.5', lladdr: '02:00:00:00:00:09' }
    expect(refusal(await control.request({ type: 'RTM_NEWNEIGH', flags: FLAGS.add, neigh }))).toBe(
      'RTNETLINK answers: File exists'
    )
    const other = { ...neigh, dst: '10.0.0.77' }
    expect(
      (await control.request({ type: 'RTM_NEWNEIGH', flags: FLAGS.change, neigh: other })).error
    ).toBe(Errno.ENOENT)
    answerWith(-Errno.ENOBUFS)
    expect(
      (await control.request({ type: 'RTM_NEWNEIGH', flags: FLAGS.add, neigh: other })).error
    ).toBe(Errno.ENOBUFS)
  })

  test('flush leaves what is permanent', async () => {
    const { control } = await withNeighbours()
    expect(await control.request({ type: 'NEIGH_FLUSH', filter: { dev: 'eth0' } })).toMatchObject({
      item: { flushed: 1 },
    })
    expect([...control.dump({ type: 'RTM_GETNEIGH' })].flat().map(({ dst }) => dst)).toEqual([
      '10.0.0.6',
    ])
  })

  test('while worker 0 is not running: Network is down, at once', async () => {
    const { control, arena } = await withNeighbours()
    arena.i32[arena.layout.threadBlocks + THREAD_RUNNING] = 0
    const reply = await control.request({
      type: 'RTM_DELNEIGH',
      neigh: { dev: 'eth0', dst: '10.0.0.5' },
    })
    expect(refusal(reply)).toBe('RTNETLINK answers: Network is down')
  })

  test('a worker that never answers is a time-out, of two seconds by the clock', async () => {
    const { control, pauses } = await host()
    const before = pauses()
    const reply = await control.request({
      type: 'RTM_DELNEIGH',
      neigh: { dev: 'eth0', dst: '10.0.0.5' },
    })
    expect(reply.error).toBe(Errno.ETIMEDOUT)
    // a pause is a millisecond here
    expect(pauses() - before).toBe(2000)
  })

  test('a worker that dies of the question and runs again: Network is down, at once', async () => {
    const { control, arena, workerIpi, pauses } = await host()
    const before = pauses()
    workerIpi[0]!.on(Ipi.NEIGH_DEL, () => {
      arena.i32[arena.layout.threadBlocks + THREAD_RESTARTS]!++
    })
    const reply = await control.request({
      type: 'RTM_DELNEIGH',
      neigh: { dev: 'eth0', dst: '10.0.0.5' },
    })
    expect(refusal(reply)).toBe('RTNETLINK answers: Network is down')
    expect(pauses() - before).toBe(1)
  })
})

describe('ss', () => {
  const withSockets = async () => {
    const made = await host()
    const { arena } = made
    const open = (worker: number, state: number, port: number, cookie: number): number => {
      const slab = sockSlab(arena, worker, port === 80)
      const sk = slab.alloc()
      arena.i32[sk + SK_FAMILY] = AF_INET
      arena.i32[sk + SK_TYPE] = SOCK_STREAM
      arena.i32[sk + SK_PROTOCOL] = 6
      arena.i32[sk + SK_STATE] = state
      arena.i32.set([0, 0, 0xffff, 0x0a000001], sk + SK_SADDR)
      arena.i32[sk + SK_NUM] = port
      arena.i32[sk + SK_DPORT] = state === TCP_LISTEN ? 0 : 4000
      arena.i32[sk + SK_COOKIE] = cookie
      arena.i32[sk + SK_MAX_ACK_BACKLOG] = 128
      return sk
    }
    const sks = [
      open(0, TCP_LISTEN, 80, 0x1001),
      open(1, TCP_LISTEN, 80, 0x1002),
      open(1, TCP_ESTABLISHED, 22, 0x1003),
    ]
    return { ...made, sks }
  }

  test('lists the sockets of every worker', async () => {
    const { control } = await withSockets()
    const all = [...control.dump({ type: 'SOCK_DIAG' })].flat()
    expect(all).toMatchObject([
      {
        netid: 'tcp',
        state: 'LISTEN',
        local: { addr: '10.0.0.1', port: 80 },
        send_q: 128,
        worker: 0,
        sk: '1001',
      },
      { state: 'LISTEN', worker: 1 },
      { state: 'ESTAB', local: { port: 22 }, peer: { port: 4000 }, worker: 1 },
    ])
    const count = (filter: object) => dumped(control, { type: 'SOCK_DIAG', filter }).length
    expect(count({ state: ['LISTEN'] })).toBe(2)
    expect(count({ local: { port: 22 } })).toBe(1)
    expect(count({ worker: 1 })).toBe(2)
    expect(count({ protocol: ['udp'] })).toBe(0)
  })

  test("-K asks the socket's worker", async () => {
    const { control, workerIpi, sks, arena } = await withSockets()
    const killed: number[] = []
    workerIpi[1]!.on(Ipi.SOCK_DESTROY, (from, sk, generation, _2, _3, _4, _5, id) => {
      killed.push(sk, generation)
      workerIpi[1]!.send(from, Ipi.REPLY, id, 0)
    })
    expect((await control.request({ type: 'SOCK_DESTROY', cookie: '1003' })).error).toBe(0)
    expect(killed).toEqual([sks[2]!, arena.i32[sks[2]! + SK_GENERATION]!])
    expect((await control.request({ type: 'SOCK_DESTROY', cookie: 'ffff' })).error).toBe(
      Errno.ENOENT
    )
  })
})

describe('sysctl', () => {
  test('shows and sets congestion control by name', async () => {
    const { control, arena } = makeControl({}, {}, 1)
    const name = (what: string): string => `net.ipv4.tcp_${what}congestion_control`
    for (const [what, value] of [
      ['', 'cubic'],
      ['available_', 'cubic reno dctcp bbr'],
      ['allowed_', 'cubic reno dctcp bbr'],
    ] as const)
      expect(itemOf(await control.request({ type: 'SYSCTL_GET', name: name(what) }))).toEqual({
        name: name(what),
        value,
      })
    const set = async (what: string, value: string): Promise<number> =>
      (await control.request({ type: 'SYSCTL_SET', name: name(what), value })).error
    expect(await set('', 'reno')).toBe(0)
    expect(await set('', 'cubic')).toBe(0)
    expect(await set('', 'vegas')).toBe(Errno.ENOENT)
    expect(await set('', 'reno reno')).toBe(Errno.EINVAL)
    expect(await set('available_', 'reno')).toBe(Errno.EACCES)
    // what nobody has changed is not part of the configuration
    expect(itemOf(await control.request({ type: 'CONFIG_GET' })).sysctl).toEqual({})
    expect(await set('allowed_', 'reno')).toBe(0)
    expect(arena.i32[arena.layout.sysctl + Sysctl.tcp_allowed_congestion_control]).toBe(2)
  })
  test('reads and writes by Linux names, several numbers as one', async () => {
    const { control } = makeControl({}, {}, 1)
    const set = (name: string, value: number | string) =>
      control.request({ type: 'SYSCTL_SET', name, value })
    expect(await set('net.ipv4.ip_forward', 0)).toMatchObject({
      item: { name: 'net.ipv4.ip_forward', value: 0 },
    })
    expect(await set('net.ipv4.tcp_rmem', '4096 65536 1048576')).toMatchObject({
      item: { value: '4096\t65536\t1048576' },
    })
    expect(await control.request({ type: 'SYSCTL_GET', name: 'net.ipv4.tcp_rmem' })).toMatchObject({
      item: { value: '4096\t65536\t1048576' },
    })
    // what was changed is part of the configuration, and a part of a vector has no name of its own
    expect(itemOf(await control.request({ type: 'CONFIG_GET' })).sysctl).toEqual({
      'net.ipv4.ip_forward': 0,
      'net.ipv4.tcp_rmem': '4096\t65536\t1048576',
    })
    expect((await set('net.ipv4.tcp_rmem_min', 4096)).error).toBe(Errno.ENOENT)
    const names = [...control.dump({ type: 'SYSCTL' })].flat().map(({ name }) => name)
    expect(names.filter((name) => name.startsWith('net.ipv4.tcp_w'))).toEqual([
      'net.ipv4.tcp_window_scaling',
      'net.ipv4.tcp_wmem',
    ])
  })

  test('ports are ranges, and one of two bounds is kept by the other', async () => {
    const { control } = makeControl({}, {}, 1)
    const name = 'net.ipv4.ip_local_reserved_ports'
    const set = async (key: string, value: number | string): Promise<number> =>
      (await control.request({ type: 'SYSCTL_SET', name: key, value })).error
    const shown = async (): Promise<unknown> =>
      itemOf<{ value: unknown }>(await control.request({ type: 'SYSCTL_GET', name })).value
    expect(await shown()).toBe('')
    expect(await set(name, '9000-9002,8080,9003,65535')).toBe(0)
    expect(await shown()).toBe('8080,9000-9003,65535')
    expect(itemOf(await control.request({ type: 'CONFIG_GET' })).sysctl).toEqual({
      [name]: '8080,9000-9003,65535',
    })
    for (const wrong of ['9-8', '65536', 'x', '1-2-3', '-1', '1, 2', '1 2'])
      expect([wrong, await set(name, wrong)]).toEqual([wrong, Errno.EINVAL])
    expect(await shown()).toBe('8080,9000-9003,65535')
    expect(await set(name, '')).toBe(0)
    expect(await shown()).toBe('')
    const mask = 'net.ipv6.icmp.ratemask'
    expect(itemOf(await control.request({ type: 'SYSCTL_GET', name: mask }))).toEqual({
      name: mask,
      value: '0-1,3-127',
    })
    expect(await set(mask, '129,255')).toBe(0)
    expect(await set(mask, '256')).toBe(Errno.EINVAL)
    const [range, start] = ['net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start']
    expect(await set(range, '1000 2000')).toBe(Errno.EINVAL)
    expect(await set(start, 1000)).toBe(0)
    expect(await set(range, '1000 2000')).toBe(0)
    expect(await set(start, 1001)).toBe(Errno.EINVAL)
    for (const family of ['ipv4.ip', 'ipv6.ip6']) {
      const thresh = (which: string): string => `net.${family}frag_${which}_thresh`
      expect(await set(thresh('high'), 1 << 20)).toBe(Errno.EINVAL)
      expect(await set(thresh('low'), 1 << 20)).toBe(0)
      expect(await set(thresh('high'), 1 << 20)).toBe(0)
      expect(await set(thresh('low'), 2 << 20)).toBe(Errno.EINVAL)
    }
  })

  test('refuses what is out of bounds, out of order or unknown', async () => {
    const { control } = makeControl()
    const set = (name: string, value: number | string) =>
      control.request({ type: 'SYSCTL_SET', name, value })
    expect(refusal(await set('net.ipv4.ip_forward', 2))).toBe(
      'sysctl: setting key "net.ipv4.ip_forward": Invalid argument'
    )
    expect((await set('net.ipv4.tcp_rmem', '65536 4096 1048576')).error).toBe(Errno.EINVAL)
    expect((await set('net.ipv4.ip_forward', 'yes')).error).toBe(Errno.EINVAL)
    expect(refusal(await set('net.ipv4.nope', 1))).toBe(
      'sysctl: cannot stat /proc/sys/net/ipv4/nope: No such file or directory'
    )
  })
})

describe('ethtool', () => {
  test('-X equal spreads the table over that many queues, -L over its channels', async () => {
    const { control } = await host()
    const rss = itemOf(
      await control.request({ type: 'ETHTOOL_MSG_RSS_SET', rss: { ifname: 'eth0', equal: 1 } })
    )
    expect(new Set(rss['rss-indirection-table'])).toEqual(new Set([0]))
    expect(rss['rss-hash-key'].split(':')).toHaveLength(40)
    await control.request({ type: 'ETHTOOL_MSG_RSS_SET', rss: { ifname: 'eth0', default: true } })
    expect(
      await control.request({ type: 'ETHTOOL_MSG_CHANNELS_SET', ifname: 'eth0', combined: 1 })
    ).toMatchObject({ item: { combined: 1, 'combined-max': 2 } })
    expect(
      (await control.request({ type: 'ETHTOOL_MSG_CHANNELS_SET', ifname: 'eth0', combined: 3 }))
        .error
    ).toBe(Errno.EINVAL)
  })

  test('-K switches offloads off and on, and none that the device lacks', async () => {
    const { control } = await host()
    const set = (features: Record<string, boolean>) =>
      control.request({ type: 'ETHTOOL_MSG_FEATURES_SET', ifname: 'eth0', features })
    expect(await set({ 'tcp-segmentation-offload': false })).toMatchObject({
      item: { 'tx-tcp-segmentation': { active: false } },
    })
    expect(await set({ 'tcp-segmentation-offload': true })).toMatchObject({
      item: { 'tx-tcp-segmentation': { active: true } },
    })
    expect((await set({ 'rx-udp-gro-forwarding': true })).error).toBe(Errno.EOPNOTSUPP)
  })

  test('-N chooses the hashed fields; rps_cpus takes a mask of workers', async () => {
    const { control } = await host()
    const fields = ['ip-src', 'ip-dst']
    expect(
      await control.request({ type: 'ETHTOOL_SRXFH', ifname: 'eth0', 'flow-type': 'udp4', fields })
    ).toMatchObject({ item: { fields } })
    expect(
      await control.request({ type: 'ETHTOOL_GRXFH', ifname: 'eth0', 'flow-type': 'udp4' })
    ).toMatchObject({ item: { fields } })
    expect(
      await control.request({ type: 'RPS_SET', ifname: 'eth0', rps_cpus: '3', rps_flow_cnt: 1000 })
    ).toMatchObject({ item: { rps_cpus: '3', rps_flow_cnt: 1024 } })
    expect((await control.request({ type: 'RPS_SET', ifname: 'eth0', rps_cpus: 'f' })).error).toBe(
      Errno.EINVAL
    )
    expect((await control.request({ type: 'RPS_GET', ifname: 'nope' })).error).toBe(Errno.ENODEV)
  })
})

test('nstat, softnet_stat and dropwatch are sums over the threads', async () => {
  const { control, arena } = await host()
  for (const worker of [0, 1]) {
    arena.f64[counterBank(arena, worker) + Mib.IpInReceives] = 10 + worker
    arena.f64[counterBank(arena, worker) + DROP_COUNTERS + Drop.NO_SOCKET] = worker
    arena.f64[deviceDrops(arena, worker, 1) + Drop.NO_SOCKET] = worker
  }
  arena.f64[counterBank(arena, 0) + Softnet.dropped + 1] = 3
  expect(await control.request({ type: 'NSTAT_GET' })).toMatchObject({ item: { IpInReceives: 21 } })
  expect([...control.dump({ type: 'DROPS' })].flat()).toEqual([
    {
      reason: 'NO_SOCKET',
      place: 'socket',
      count: 1,
      worker: [0, 1],
      devices: [{ dev: 'lo', count: 1, worker: [0, 1] }],
    },
  ])
  expect(await control.request({ type: 'WORKER_GET', worker: 1 })).toMatchObject({
    item: { cpu: 1, dropped: 3, running: true },
  })
  expect((await control.request({ type: 'WORKER_GET', worker: 2 })).error).toBe(Errno.ENOENT)
})

describe('ip monitor', () => {
  test('hears of each change with its revision, and only of the kinds it asked for', async () => {
    const { control, ip } = await host()
    const heard: Notification[] = []
    const end = control.subscribe(['route'], (note) => heard.push(note))
    const added = await ip.addr('10.0.0.1/24', 'eth0')
    await ip.addrDel('10.0.0.1/24', 'eth0')
    expect(
      heard.map((note) => [note.kind, note.event, note.kind === 'route' && note.item.type])
    ).toEqual([
      ['route', 'new', 'local'],
      ['route', 'new', 'unicast'],
      ['route', 'new', 'broadcast'],
      ['route', 'del', 'local'],
      ['route', 'del', 'unicast'],
      ['route', 'del', 'broadcast'],
    ])
    expect(added).toHaveProperty('revision', heard[0]!.revision)
    end()
    await ip.addr('10.0.0.1/24', 'eth0')
    expect(heard).toHaveLength(6)
  })

  test('hears of links, addresses and neighbours', async () => {
    const { control, ip, workerIpi, ifindex, arena } = await withNeighbours()
    const heard: string[] = []
    control.subscribe(['link', 'address', 'neigh'], ({ kind, event, item }) => {
      heard.push(`${kind} ${event} ${'ifname' in item ? item.ifname : 'dst' in item && item.dst}`)
    })
    await ip.link('eth0', { mtu: 1400 })
    await ip.addr('10.0.0.1/24', 'eth0')
    workerIpi[0]!.send(
      arena.layout.controlThread,
      Ipi.NOTIFY,
      Notify.NEIGH,
      0,
      ifindex,
      0,
      0,
      0xffff,
      0x0a000005
    )
    control.poll()
    expect(heard).toEqual(['link new eth0', 'address new eth0', 'neigh new 10.0.0.5'])
  })
})

test('a neighbour that is gone is told as such, also while its row can still be read', async () => {
  const { control, workerIpi, ifindex, arena } = await withNeighbours()
  const heard: Notification[] = []
  control.subscribe(['neigh'], (note) => heard.push(note))
  const { controlThread } = arena.layout
  const words = [0, 0, 0xffff, 0x0a000006] as const
  workerIpi[0]!.send(controlThread, Ipi.NOTIFY, Notify.NEIGH, 1, ifindex, ...words)
  control.poll()
  expect(heard).toHaveLength(1)
  expect(heard[0]).toMatchObject({
    event: 'del',
    item: { dst: '10.0.0.6', dev: 'eth0', state: ['FAILED'] },
  })
  expect(heard[0]!.item).not.toHaveProperty('lladdr')
})

describe('a configuration', () => {
  const wanted: StackConfig = {
    link: [
      {
        ifname: 'lan0',
        kind: 'veth',
        data: { peer: 'host0' },
        mtu: 1400,
        addresses: ['10.1.0.254/24', 'fd00:1::1/64'],
      },
      { ifname: 'host0', kind: 'veth' },
    ],
    route: [
      { dst: 'default', gateway: '10.1.0.1' },
      { dst: 'fd00:2::/64', gateway: 'fd00:1::9' },
    ],
    sysctl: { 'net.ipv4.ip_forward': 0 },
  }

  test('is applied, and then there is nothing left to do', async () => {
    const { control, ip } = makeControl()
    expect((await control.request({ type: 'CONFIG_SET', config: wanted })).error).toBe(0)
    expect(ip.routes()).toEqual([
      'default via 10.1.0.1 dev lan0',
      '10.1.0.0/24 dev lan0 proto kernel scope link src 10.1.0.254',
    ])
    expect(
      await control.request({ type: 'CONFIG_SET', config: wanted, dry_run: true })
    ).toMatchObject({ error: 0, item: [] })
  })

  test('dry_run says the steps and does nothing', async () => {
    const { control, ip } = makeControl()
    const before = control.revision()
    const steps = itemOf(
      await control.request({ type: 'CONFIG_SET', config: wanted, dry_run: true })
    )
    expect(steps.map((step) => `${step.op} ${step.message.type}`)).toEqual([
      'change SYSCTL_SET',
      'add RTM_NEWLINK',
      'add RTM_NEWADDR',
      'add RTM_NEWADDR',
      'change RTM_NEWLINK',
      'add RTM_NEWROUTE',
      'add RTM_NEWROUTE',
    ])
    expect([ip.routes(), control.revision()]).toEqual([[], before])
  })

  test('takes away what it does not have, of the sections that it has', async () => {
    const { control, ip } = makeControl()
    await control.request({ type: 'CONFIG_SET', config: wanted })
    await control.request({ type: 'CONFIG_SET', config: { route: [] } })
    expect(ip.routes()).toHaveLength(1)
    await control.request({ type: 'CONFIG_SET', config: { link: [] } })
    expect([...control.dump({ type: 'RTM_GETLINK' })].flat()).toHaveLength(1)
  })

  test.each([
    [
      {
        link: [
          { ifname: 'va', kind: 'veth' },
          { ifname: 'x', kind: 'nope' },
        ],
      },
      'link[1].kind',
    ],
    [{ link: [{ ifname: 'lo' }, { ifname: 'va', kind: 'veth', mtu: 1 }] }, 'link[1].mtu'],
    [
      { link: [{ ifname: 'va', kind: 'veth', data: { peer: 'vb', colour: 'red' } }] },
      'link[0].data.colour',
    ],
    [
      { link: [{ ifname: 'va', kind: 'veth', addresses: ['10.0.0.1/24', '224.0.0.1/24'] }] },
      'link[0].addresses[1].local',
    ],
    [{ route: [{ dst: '10.0.0.0/8', type: 'blackhole' }, { dst: 'default' }] }, 'route[1].dev'],
    [{ neigh: [{ dev: 'nope', dst: '10.0.0.1' }] }, 'neigh[0].dev'],
    [{ sysctl: { 'net.ipv4.ip_forward': 7 } }, 'sysctl["net.ipv4.ip_forward"].value'],
  ] as [StackConfig, string][])('%j is refused at %s', async (config, field) => {
    const { control } = makeControl()
    expect(await control.request({ type: 'CONFIG_SET', config })).toMatchObject({ field })
  })

  test('that is refused half-way is taken back', async () => {
    const { control } = makeControl()
    await control.request({ type: 'CONFIG_SET', config: wanted })
    const before = itemOf(await control.request({ type: 'CONFIG_GET' }))
    const bad = { ...wanted, link: [], route: [{ dst: 'default', gateway: '172.16.0.1' }] }
    const reply = await control.request({ type: 'CONFIG_SET', config: bad })
    expect(reply).toMatchObject({ error: Errno.ENETUNREACH, field: 'route[0].gateway' })
    const after = itemOf(await control.request({ type: 'CONFIG_GET' }))
    const shape = ({ link }: StackConfig) =>
      link!.map(({ ifname, mtu, addresses }) => [ifname, mtu, addresses])
    expect(after.route).toEqual(before.route)
    expect(shape(after)).toEqual(shape(before))
  })

  test('that is refused half-way gives sysctls and lo back too', async () => {
    const { control } = makeControl()
    const state = async () => [
      itemOf(await control.request({ type: 'SYSCTL_GET', name: 'net.ipv4.tcp_sack' })).value,
      itemOf(await control.request({ type: 'RTM_GETLINK', ifname: 'lo' })).mtu,
    ]
    const before = await state()
    const reply = await control.request({
      type: 'CONFIG_SET',
      config: {
        sysctl: { 'net.ipv4.tcp_sack': 0 },
        link: [{ ifname: 'lo', mtu: 1500 }],
        route: [{ dst: 'default', gateway: '172.16.0.1' }],
      },
    })
    expect(reply.error).toBe(Errno.ENETUNREACH)
    expect(await state()).toEqual(before)
  })

  test('whose impairment differs changes it, and a refused one gives it back', async () => {
    const { control } = makeControl()
    const link = (netem: object) => ({ ifname: 'va', kind: 'veth', data: { peer: 'vb' }, netem })
    const set = (config: StackConfig) => control.request({ type: 'CONFIG_SET', config })
    const netem = async () =>
      itemOf(await control.request({ type: 'RTM_GETLINK', ifname: 'va' })).netem
    await set({ link: [link({ loss: 10 })] })
    await set({ link: [link({ loss: 20 })] })
    expect(await netem()).toEqual({ loss: 20 })
    await set({ link: [link({})] })
    expect(await netem()).toBe(undefined)
    const route = [{ dst: 'default', gateway: '172.16.0.1' }]
    expect((await set({ link: [link({ delay: 5 })], route })).error).toBe(Errno.ENETUNREACH)
    expect(await netem()).toBe(undefined)
  })

  test('with an unreachable IPv6 route is taken as it was given out', async () => {
    const { control, ip } = makeControl()
    await control.request({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'lo', up: true } })
    const before = ip.routes({ family: 'inet6' })
    const route = { dst: 'fd00:8::/32', type: 'unreachable' as const }
    await control.request({ type: 'RTM_NEWROUTE', flags: FLAGS.add, route })
    const item = itemOf(await control.request({ type: 'CONFIG_GET' }))
    await control.request({ type: 'CONFIG_SET', config: { route: [] } })
    expect(ip.routes({ family: 'inet6' })).toEqual(before)
    expect((await control.request({ type: 'CONFIG_SET', config: item })).error).toBe(0)
    expect(ip.routes({ family: 'inet6' })).toContain('unreachable fd00:8::/32 dev lo metric 1024')
  })

  test('holds what ethtool, multicast and addresses were told, and nothing where nobody told', async () => {
    const { control } = makeControl()
    await control.request({ type: 'CONFIG_SET', config: wanted })
    const lan = async () =>
      itemOf(await control.request({ type: 'CONFIG_GET' })).link!.find(
        ({ ifname }) => ifname === 'lan0'
      )!
    expect(Object.keys(await lan())).toEqual([
      'ifname',
      'kind',
      'mtu',
      'address',
      'up',
      'data',
      'addresses',
    ])
    const table = Array.from({ length: 128 }, (_, k) => Number(k > 9))
    const told = {
      channels: { combined: 2 },
      rss: { 'rss-indirection-table': table, hkey: new Array(40).fill('0a').join(':') },
      features: { 'tx-tcp-segmentation': false },
      'rx-flow-hash': { udp4: ['ip-src', 'ip-dst'] },
      rps: { rps_cpus: '3', rps_flow_cnt: 512 },
      mvif: { inet: 'static' as const },
    }
    const address = { local: '10.1.0.9', prefixlen: 24, broadcast: '10.1.0.255' }
    const link = {
      ...wanted.link![0]!,
      ...told,
      addresses: ['10.1.0.254/24', 'fd00:1::1/64', address],
    }
    const more = {
      maddr: [{ dev: 'lan0', link: '01:00:5e:01:02:03' }],
      mroute: [{ src: 'any', dst: '239.1.1.1', iif: 'lan0', oifs: [{ dev: 'host0', ttl: 3 }] }],
    }
    const host = { ...wanted.link![1]!, mvif: { inet: 'static' as const } }
    const config = { ...wanted, ...more, link: [link, host] }
    expect(await control.request({ type: 'CONFIG_SET', config })).toMatchObject({ error: 0 })
    const { channels: _same, ...others } = told
    expect(await lan()).toMatchObject({ ...others, addresses: link.addresses })
    const written = itemOf(await control.request({ type: 'CONFIG_GET' }))
    expect(written).toMatchObject(more)
    const again = { type: 'CONFIG_SET', config: written, dry_run: true } as const
    expect(itemOf(await control.request(again))).toEqual([])
    // and one that is refused gives all of it back
    const bad = {
      ...wanted,
      maddr: [],
      mroute: [],
      route: [{ dst: 'default', gateway: '9.9.9.9' }],
    }
    const other = { rss: { default: true }, features: { 'tx-tcp-segmentation': true } }
    bad.link = [{ ...wanted.link![0]!, ...other }, wanted.link![1]!]
    expect((await control.request({ type: 'CONFIG_SET', config: bad })).error).not.toBe(0)
    expect(itemOf(await control.request({ type: 'CONFIG_GET' }))).toEqual(written)
  })

  test('written by CONFIG_GET makes the same stack elsewhere', async () => {
    const one = makeControl()
    await one.control.request({ type: 'CONFIG_SET', config: wanted })
    const item = itemOf(await one.control.request({ type: 'CONFIG_GET' }))
    const two = makeControl()
    expect((await two.control.request({ type: 'CONFIG_SET', config: item })).error).toBe(0)
    expect(two.ip.routes({ table: 'all' })).toEqual(one.ip.routes({ table: 'all' }))
  })
})

test('a look says whether anything has happened, or is looked for', async () => {
  const { control, ip } = makeControl()
  control.poll()
  expect(control.poll()).toBe(false)
  await ip.veth('eth0')
  expect([control.poll(), control.poll()]).toEqual([true, false])
  for (const [kind, isLookedFor] of [
    ['link', false],
    ['worker', true],
    ['socket', true],
    ['drop', true],
  ] as const) {
    const end = control.subscribe([kind], () => {})
    expect(control.poll()).toBe(isLookedFor)
    end()
  }
  expect(control.poll()).toBe(false)
})

test('ratios of a worker are of the last seconds', async () => {
  const { control, arena, clock } = await host()
  const block = arena.layout.threadBlocks
  const bank = counterBank(arena, 0)
  const work = (busyUs: number, idleUs: number, calls: number, vectors: number): void => {
    arena.f64[(block + THREAD_BUSY_US) >> 1]! += busyUs
    arena.f64[(block + THREAD_IDLE_US) >> 1]! += idleUs
    arena.f64[bank + Softnet.calls]! += calls
    arena.f64[bank + Softnet.vectors]! += vectors
  }
  const ratios = async () => {
    const { busy_ratio, vectors_per_call } = itemOf(
      await control.request({ type: 'WORKER_GET', worker: 0 })
    )
    return [busy_ratio, vectors_per_call]
  }
  const second = (): void => {
    clock.us += 1e6
    control.poll()
  }
  control.poll()
  work(1e6, 0, 10, 640)
  expect(await ratios()).toEqual([1, 64])
  second()
  work(25e4, 75e4, 10, 20)
  second()
  work(25e4, 75e4, 10, 20)
  expect(await ratios()).toEqual([0.25, 2])
  second()
  second()
  expect(await ratios()).toEqual([0, 0])
})

test('messages can be applied at once, without waiting, where one thread does all', () => {
  const { control, ip } = makeControl()
  const before = control.revision()
  const reply = control.apply({
    type: 'RTM_NEWROUTE',
    flags: FLAGS.add,
    route: { dst: 'default', type: 'blackhole' },
  })
  expect(reply).toMatchObject({ error: 0, revision: before + 1 })
  expect(ip.routes()).toEqual(['blackhole default'])
})
