import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import type { LinkOps } from '../../../../core/dev/kinds/link-kind.ts'
import type { Done, Message, Notification } from '../../../../core/control/text/messages.ts'
import { DEV_IFINDEX, deviceRow } from '../../../../core/netdev/netdev.ts'
import { Ipi } from '../../../../core/shm/ipi.ts'
import { dumped, FLAGS, makeControl, refusal } from '../../../support/control-plane.ts'

/** Lets everything run that can, without any other thread. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve()
}

/**
 * A stack with tap0 (10.9.9.1/24, up) and the veth eth0, whose devices open, change and close, and whose worker answers,
 * only when `open` is called.
 */
const gated = async () => {
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  const closed: number[] = []
  let lost = 0
  const tap: LinkOps = {
    newlink: async () => {
      await gate.promise
      return { error: 0 }
    },
    changed: async () => gate.promise,
    carrier: (ifindex) => (ifindex === lost ? 'down' : 'up'),
    dellink: async (ifindex) => {
      await gate.promise
      closed.push(ifindex)
    },
  }
  const made = makeControl({}, { tap })
  const { control, ip, workerIpi } = made
  const worker = workerIpi[0]!
  for (const op of [Ipi.NEIGH_SET, Ipi.NEIGH_DEL])
    worker.on(op, (from, _0, _1, _2, _3, _4, _5, id) => {
      void gate.promise.then(() => worker.send(from, Ipi.REPLY, id, -Errno.ENOENT))
    })
  await control.request({
    type: 'RTM_NEWLINK',
    flags: FLAGS.add,
    link: { ifname: 'tap0', kind: 'tap', up: true },
  })
  await ip.addr('10.9.9.1/24', 'tap0')
  await ip.veth('eth0')
  await ip.addr('10.1.0.254/24', 'eth0')
  const heard: Notification[] = []
  control.subscribe(['link', 'route', 'address'], (note) => heard.push(note))
  const close = (): void => {
    gate = Promise.withResolvers()
  }
  const all = <T>(chunks: Iterable<T[]>): T[] => [...chunks].flat()
  /** All that can be seen of the stack. */
  const state = (): string[] =>
    [
      ...all(control.dump({ type: 'RTM_GETLINK' })),
      ...all(control.dump({ type: 'RTM_GETADDR' })),
      ...dumped(control, { type: 'RTM_GETROUTE', filter: { table: 'all' } }),
      ...all(control.dump({ type: 'SYSCTL' })),
    ]
      .map(seen)
      .sort()
  const notes = (): string[] =>
    heard.map(({ kind, event, item }) => `${kind} ${event} ${seen(item)}`)
  const loseCarrier = (): void => {
    lost = 2
  }
  return { ...made, loseCarrier, heard, closed, close, open: () => gate.resolve(), state, notes }
}

/** All but the number of a row, which is another while the one before may still be read. */
const seen = (value: unknown): string =>
  JSON.stringify(value, (name, inner) => (name === 'ifindex' ? undefined : inner))

const route = { dst: '10.5.0.0/16', gateway: '10.9.9.2' }
const SLOW: Record<string, Message> = {
  'link add': {
    type: 'RTM_NEWLINK',
    flags: FLAGS.add,
    link: { ifname: 'tap1', kind: 'tap', up: true },
  },
  'link set': { type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'tap0', mtu: 1400 } },
  'link del': { type: 'RTM_DELLINK', ifname: 'tap0' },
  'neigh add': {
    type: 'RTM_NEWNEIGH',
    flags: FLAGS.replace,
    neigh: { dev: 'tap0', dst: '10.9.9.3', lladdr: '02:00:00:00:00:03' },
  },
  'neigh del': { type: 'RTM_DELNEIGH', neigh: { dev: 'tap0', dst: '10.9.9.3' } },
  config: {
    type: 'CONFIG_SET',
    config: {
      link: [
        { ifname: 'tap1', kind: 'tap', addresses: ['10.9.9.1/24'] },
        { ifname: 'tap0', mtu: 1300, addresses: [] },
      ],
    },
  },
  'config that is refused': {
    type: 'CONFIG_SET',
    config: {
      link: [{ ifname: 'tap1', kind: 'tap' }],
      route: [{ dst: 'default', gateway: '172.16.0.1' }],
    },
  },
  batch: {
    type: 'BATCH',
    messages: [
      { type: 'RTM_DELLINK', ifname: 'tap0' },
      { type: 'RTM_NEWLINK', flags: FLAGS.add, link: { ifname: 'tap0', kind: 'tap' } },
    ],
  },
}
const FAST: Record<string, Message> = {
  'link up': { type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'tap0', up: true } },
  'link rename': { type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', newname: 'tap1' } },
  'addr add': {
    type: 'RTM_NEWADDR',
    flags: FLAGS.add,
    address: { dev: 'tap0', local: '10.9.9.7', prefixlen: 24 },
  },
  'addr del': {
    type: 'RTM_DELADDR',
    address: { dev: 'tap0', local: '10.9.9.1', prefixlen: 24 },
  },
  'route add': { type: 'RTM_NEWROUTE', flags: FLAGS.add, route },
  'route add dev': {
    type: 'RTM_NEWROUTE',
    flags: FLAGS.add,
    route: { dst: '10.6.0.0/16', dev: 'tap0' },
  },
  'route del': { type: 'RTM_DELROUTE', route },
  'atomic batch': {
    type: 'BATCH',
    atomic: true,
    messages: [
      { type: 'RTM_NEWROUTE', flags: FLAGS.add, route },
      { type: 'RTM_NEWROUTE', flags: FLAGS.add, route: { dst: '10.7.0.0/16', dev: 'tap0' } },
    ],
  },
  sysctl: { type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 0 },
  features: {
    type: 'ETHTOOL_MSG_FEATURES_SET',
    ifname: 'tap0',
    features: { 'tx-checksumming': false },
  },
  'rule add': { type: 'RTM_NEWRULE', flags: FLAGS.add, rule: { fwmark: 1, table: 100 } },
}
const pairs = Object.keys(SLOW).flatMap((slow) =>
  [...Object.keys(SLOW), ...Object.keys(FAST)].map((other) => [slow, other] as const)
)

describe('changes run one at a time', () => {
  test.each(pairs)('%s, and %s meanwhile, are as one after the other', async (slow, other) => {
    const [first, second] = [SLOW[slow]!, SLOW[other] ?? FAST[other]!]
    const apart = await gated()
    const wanted = [
      seen(await apart.control.request(first)),
      seen(await apart.control.request(second)),
    ]

    const together = await gated()
    together.close()
    const one = together.control.request(first)
    await settle()
    const two = together.control.request(second)
    await settle()
    together.open()
    expect([seen(await one), seen(await two)]).toEqual(wanted)
    expect(together.state()).toEqual(apart.state())
    expect(together.notes()).toEqual(apart.notes())
    const revisions = together.heard.map(({ revision }) => revision)
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
  })

  test('a link that goes away is gone at once: what is asked of it meanwhile finds no device', async () => {
    const { control, ip, arena, close, open, closed } = await gated()
    close()
    const gone = control.request({ type: 'RTM_DELLINK', ifname: 'tap0' })
    await settle()
    expect((await control.request({ type: 'RTM_GETLINK', ifname: 'tap0' })).error).toBe(
      Errno.ENODEV
    )
    expect(ip.routes({ table: 'all' }).filter((line) => line.includes('tap0'))).toEqual([])
    const up = control.request(FAST['link up']!)
    const addr = control.request(FAST['addr add']!)
    open()
    expect((await gone).error).toBe(0)
    expect(refusal(await up)).toBe('Cannot find device "tap0"')
    expect(refusal(await addr)).toBe('Cannot find device "tap0"')
    expect(closed).toEqual([2])
    expect(arena.i32[deviceRow(arena, 2) + DEV_IFINDEX]).toBe(0)
    expect(ip.routes({ table: 'all' }).filter((line) => /tap0|if2/.test(line))).toEqual([])
  })

  test('reads do not wait', async () => {
    const { control, close, open } = await gated()
    close()
    const slow = control.request(SLOW['link add']!)
    await settle()
    const link = await control.request({ type: 'RTM_GETLINK', ifname: 'eth0' })
    expect(link).toMatchObject({ error: 0, item: { ifname: 'eth0' } })
    expect((await control.request({ type: 'RTM_GETLINK', ifname: 'tap1' })).error).toBe(
      Errno.ENODEV
    )
    open()
    expect((await slow).error).toBe(0)
  })

  test('what is asked of a revision is refused when the change under way has made another by then', async () => {
    const { control, close, open, state } = await gated()
    close()
    const first = control.request(SLOW['link set']!)
    const at = [control.revision()]
    const second = control.request(FAST['route add']!, at)
    await settle()
    open()
    expect((await first).error).toBe(0)
    const after = state()
    expect(await second).toMatchObject({ error: Errno.ESTALE })
    expect(state()).toEqual(after)
    const now = [0, control.revision()]
    expect((await control.request(FAST['route add']!, now)).error).toBe(0)
  })

  test('what is applied at once is refused while another change is under way', async () => {
    const { control, close, open } = await gated()
    const forward = { type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 0 } as const
    close()
    const slow = control.request(SLOW['link add']!)
    await settle()
    expect(control.apply(forward).error).toBe(Errno.EBUSY)
    open()
    await slow
    expect(control.apply(forward).error).toBe(0)
    expect(() => control.apply({ type: 'RTM_DELLINK', ifname: 'tap0' })).toThrow()
    expect((await control.request({ type: 'RTM_GETLINK', ifname: 'tap0' })).error).toBe(0)
  })

  test('a carrier that is lost meanwhile is a change of its own, behind it', async () => {
    const { control, close, open, heard, loseCarrier } = await gated()
    close()
    const slow = control.request(SLOW['link add']!)
    await settle()
    loseCarrier()
    control.poll()
    control.poll()
    expect(heard).toEqual([])
    open()
    const { revision } = (await slow) as Done
    await settle()
    expect(new Set(heard.slice(0, -1).map((note) => note.revision))).toEqual(new Set([revision]))
    expect(heard.at(-1)).toMatchObject({ item: { ifname: 'tap0' }, revision: revision + 1 })
  })

  test('a change that throws does not hold up the next one', async () => {
    const broken: LinkOps = {
      newlink: () => Promise.reject(new Error('broken')),
      dellink: () => {},
    }
    const { control } = makeControl({}, { broken })
    const link = { ifname: 'b0', kind: 'broken' }
    const made = control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link })
    const next = control.request(FAST.sysctl!)
    expect(made).rejects.toThrow('broken')
    expect((await next).error).toBe(0)
    const again = { ...link, kind: 'veth', data: { peer: 'b1' } }
    expect(
      (await control.request({ type: 'RTM_NEWLINK', flags: FLAGS.add, link: again })).error
    ).toBe(0)
  })
})

describe('a driver that hangs', () => {
  const hang = async (message: Message) => {
    const made = await gated()
    made.close()
    const slow = made.control.request(message)
    await settle()
    made.clock.us += 10_000_001
    return { ...made, reply: await slow }
  }

  test('on opening is a time-out; the device is closed when it opens after all', async () => {
    const { control, reply, open, closed, clock } = await hang(SLOW['link add']!)
    expect(refusal(reply)).toBe('RTNETLINK answers: Connection timed out')
    const again = control.request(SLOW['link add']!)
    expect((await again).error).toBe(Errno.EBUSY)
    expect((await control.request(FAST.sysctl!)).error).toBe(0)
    open()
    await settle()
    expect(closed).toHaveLength(1)
    clock.us += 1
    expect((await control.request(SLOW['link add']!)).error).toBe(0)
  })

  test('on closing holds its name until it has closed', async () => {
    const { control, reply, open, closed, ip } = await hang(SLOW['link del']!)
    expect(reply.error).toBe(0)
    expect(ip.routes({ table: 'all' }).filter((line) => line.includes('tap0'))).toEqual([])
    const add = {
      type: 'RTM_NEWLINK',
      flags: FLAGS.add,
      link: { ifname: 'tap0', kind: 'tap' },
    } as const
    expect((await control.request(add)).error).toBe(Errno.EBUSY)
    open()
    await settle()
    expect(closed).toEqual([2])
    expect((await control.request(add)).error).toBe(0)
  })

  test('on changing is a time-out', async () => {
    const { reply } = await hang(SLOW['link set']!)
    expect(reply.error).toBe(Errno.ETIMEDOUT)
  })
})
