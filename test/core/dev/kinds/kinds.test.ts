// A link kind is one file and one line of a list: what is in the list can be made, sends, is shown, kept in a
// configuration and deleted, and nothing else knows its name.

import { describe, expect, test } from 'bun:test'
import { linkText } from '../../../../api/iproute2/link.ts'
import { Errno } from '../../../../core/base/errno.ts'
import { createTextControl } from '../../../../core/control/text/control.ts'
import type { LinkItem } from '../../../../core/control/text/messages.ts'
import { kindNumbers, SOFT_KINDS } from '../../../../core/dev/kinds/kinds.ts'
import type { LinkKind } from '../../../../core/dev/kinds/link-kind.ts'
import { DEV_KIND, DEV_PEER, deviceRow } from '../../../../core/netdev/netdev.ts'
import { createArena } from '../../../../core/shm/arena.ts'
import { SMALL_ARENA } from '../../../../core/shm/layout.ts'
import { dumped, FLAGS, itemOf, makeControl, refusal } from '../../../support/control-plane.ts'
import { openUdp } from '../../../../sim/net/sim-apps.ts'
import { GREETINGS_MS, LONG_MS, twoHosts } from '../../../support/sim-topology.ts'

const add = (ifname: string, kind: string, more: object = {}) =>
  ({ type: 'RTM_NEWLINK', flags: FLAGS.add, link: { ifname, kind, ...more } }) as const

describe('dummy', () => {
  test('takes what is sent to it, counts it, receives nothing, and is gone when deleted', async () => {
    const { sim, a } = await twoHosts()
    await a.must(add('d0', 'dummy', { address: '02:00:00:00:00:d0', up: true }))
    const address = { dev: 'd0', local: '10.9.0.1', prefixlen: 24 }
    await a.must({ type: 'RTM_NEWADDR', flags: FLAGS.add, address })
    const get = async () => itemOf<LinkItem>(await a.request({ type: 'RTM_GETLINK', ifname: 'd0' }))
    expect(linkText(await get(), { details: true })).toBe(
      [
        '3: d0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000',
        '    link/ether 02:00:00:00:00:d0 brd ff:ff:ff:ff:ff:ff promiscuity 0  allmulti 0 minmtu 68 maxmtu 65535 ',
        '    dummy addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65535 gso_max_segs 65535 tso_max_size 65535 tso_max_segs 65535 gro_max_size 65535 ',
      ].join('\n')
    )
    // which groups it is in has been said by then
    sim.run(GREETINGS_MS)
    const before = (await get()).stats64.tx
    const socket = openUdp(a)
    for (let k = 0; k < 3; k++) expect(socket.send(new Uint8Array(100), '10.9.0.77', 9)).toBe(100)
    sim.run(1000)
    const { stats64 } = await get()
    expect(stats64.tx.packets - before.packets).toBe(3)
    expect(stats64.tx.bytes - before.bytes).toBe(3 * (14 + 20 + 8 + 100))
    expect(stats64.tx.dropped).toBe(0)
    expect(stats64.rx).toMatchObject({ packets: 0, dropped: 0 })
    // what is for its address comes back by lo
    const server = openUdp(a, 5000)
    socket.send(new Uint8Array(10), '10.9.0.1', 5000)
    expect(sim.run(1000, () => server.heard.length === 1)).toBe(true)
    await a.must({ type: 'RTM_DELLINK', ifname: 'd0' })
    expect(refusal(await a.request({ type: 'RTM_GETLINK', ifname: 'd0' }))).toBe(
      'Cannot find device "d0"'
    )
    socket.close()
    server.close()
    sim.run(LONG_MS)
    expect(sim.leaks()).toEqual({})
  })

  test('takes no data', async () => {
    const { control } = makeControl()
    expect(refusal(await control.request(add('d0', 'dummy', { data: { peer: 'd1' } })))).toBe(
      'Error: Unknown attribute "peer": type "dummy" takes nothing.'
    )
  })

  test('down it is DOWN, up UNKNOWN, and routes over it are not dead', async () => {
    const { control, ip } = makeControl()
    await control.request(add('d0', 'dummy', { up: true }))
    await ip.addr('10.0.0.1/24', 'd0')
    expect(ip.routes()).toEqual(['10.0.0.0/24 dev d0 proto kernel scope link src 10.0.0.1'])
    expect(await ip.link('d0', { up: false })).toMatchObject({
      item: { operstate: 'DOWN', flags: ['BROADCAST', 'NOARP'] },
    })
  })
})

describe('veth', () => {
  test('without a peer named takes the first free name, which is not its own', async () => {
    const { control } = makeControl()
    await control.request(add('veth0', 'veth'))
    const names = dumped(control, { type: 'RTM_GETLINK' }).map(({ ifname, link }) => [ifname, link])
    expect(names).toEqual([
      ['lo', undefined],
      ['veth0', 'veth1'],
      ['veth1', 'veth0'],
    ])
  })

  test('that finds no row for its peer leaves nothing behind', async () => {
    const { control } = makeControl({ devices: 3 })
    const reply = await control.request(add('a', 'veth', { data: { peer: 'b' } }))
    expect(reply.error).toBe(Errno.ENOBUFS)
    expect((await control.request(add('d0', 'dummy'))).error).toBe(0)
  })

  test('what is said of the peer is the peer’s; a net of its own has no other to put it in', async () => {
    const { control } = makeControl()
    const peer = { name: 'b', mtu: 1300, address: '02:00:00:00:00:0b' }
    itemOf(await control.request(add('a', 'veth', { data: { peer } })))
    const [, a, b] = dumped(control, { type: 'RTM_GETLINK' })
    expect([a!.mtu, a!.flags.includes('UP')]).toEqual([1500, false])
    expect(b).toMatchObject({
      mtu: 1300,
      address: '02:00:00:00:00:0b',
      operstate: 'DOWN',
    })
    const elsewhere = { data: { peer: { name: 'd', netns: 'blue' } } }
    const words = 'Error: argument "blue" is wrong: Invalid "netns" value'
    expect(refusal(await control.request(add('c', 'veth', elsewhere)))).toBe(words)
    const move = { type: 'RTM_NEWLINK' as const, flags: 0, link: { ifname: 'a', netns: 'blue' } }
    expect(refusal(await control.request(move))).toBe(words)
    expect(dumped(control, { type: 'RTM_GETLINK' })).toHaveLength(3)
    for (const wrong of [{ name: 3 }, { name: 'e', speed: 1 }, 7])
      expect(refusal(await control.request(add('c', 'veth', { data: { peer: wrong } })))).toBe(
        'Error: The peer is named by its name.'
      )
  })
})

test('lo is DOWN when it is set down, and can neither be made nor deleted nor given an address', async () => {
  const { control, ip } = makeControl()
  const operstate = async (up: boolean) =>
    (itemOf(await ip.link('lo', { up })) as LinkItem).operstate
  expect([await operstate(false), await operstate(true)]).toEqual(['DOWN', 'UNKNOWN'])
  expect(refusal(await control.request(add('lo1', 'lo')))).toBe('Error: Unknown device type.')
  expect((await control.request({ type: 'RTM_DELLINK', ifname: 'lo' })).error).toBe(
    Errno.EOPNOTSUPP
  )
  expect((await ip.link('lo', { address: '02:00:00:00:00:01' })).error).toBe(Errno.EOPNOTSUPP)
  expect((await ip.link('lo', { mtu: 65536 })).error).toBe(0)
  expect((await ip.link('lo', { mtu: 65537 })).error).toBe(Errno.EINVAL)
})

test('numbers follow from the list, whatever is behind it', () => {
  const more = [...SOFT_KINDS, { name: 'made-up' }]
  const numbers = kindNumbers(more)
  expect(Object.values(numbers)).toEqual(more.map((_, k) => k + 1))
  expect(numbers).toMatchObject(kindNumbers(SOFT_KINDS))
  expect(new Set(more.map(({ name }) => name)).size).toBe(more.length)
})

describe('a kind that only this list has', () => {
  /** Two devices that are named by `twin`, the second as quiet as the first. */
  const twins: LinkKind = {
    name: 'twins',
    data: ['twin', 'colour'],
    pair: 'twin',
    linkOps: ({ arena, checkName, reserve }) => ({
      newlink({ ifindex, row, spec }) {
        const name = String(spec.data?.['twin'])
        const wrong = checkName(name, 'data.twin')
        if (wrong) return wrong
        const second = reserve(name)
        arena.i32[row + DEV_PEER] = second
        arena.i32[deviceRow(arena, second) + DEV_PEER] = ifindex
        return { error: 0, second }
      },
      dellink() {},
    }),
    startXmit: () => () => 0,
  }
  const setup = (kind = twins) => {
    const arena = createArena(SMALL_ARENA)
    const clock = { us: 1e6, step: 0 }
    let seed = 1
    const control = createTextControl({
      arena,
      kinds: [...SOFT_KINDS, kind],
      nowUs: () => clock.us,
      wake: () => {},
      random: () => seed++,
      pause: async () => {
        clock.us += clock.step
      },
    })
    const names = () => dumped(control, { type: 'RTM_GETLINK' }).map(({ ifname }) => ifname)
    return { arena, control, clock, names }
  }
  const link = [{ ifname: 'a', kind: 'twins', data: { twin: 'b' } }]

  test('is made, told from others by its number, and deleted, both devices at once', async () => {
    const { arena, control, names } = setup()
    expect(await control.request(add('a', 'twins', { data: { twin: 'b' } }))).toMatchObject({
      item: { ifname: 'a', link: 'b', linkinfo: { info_kind: 'twins' } },
    })
    const number = SOFT_KINDS.length + 1
    expect([2, 3].map((n) => arena.i32[deviceRow(arena, n) + DEV_KIND])).toEqual([number, number])
    await control.request({ type: 'RTM_DELLINK', ifname: 'b' })
    expect(names()).toEqual(['lo'])
  })

  test('names its words to who gives another, and itself to who asks', async () => {
    const { control } = setup()
    expect(refusal(await control.request(add('a', 'twins', { data: { size: 1 } })))).toBe(
      'Error: Unknown attribute "size": type "twins" takes twin, colour.'
    )
    const reply = await control.request(add('a', 'twins', { data: { twin: 'lo' } }))
    expect(reply).toMatchObject({ error: Errno.EEXIST, field: 'data.twin' })
    expect(control.kinds.map(({ name }) => name)).toEqual(['veth', 'dummy', 'port', 'vrf', 'twins'])
  })

  test('is the same configuration when it is read back, and goes with its first device', async () => {
    const { control, names } = setup()
    const set = (config: object) => control.request({ type: 'CONFIG_SET', config })
    expect((await set({ link })).error).toBe(0)
    expect(names()).toEqual(['lo', 'a', 'b'])
    expect(itemOf(await control.request({ type: 'CONFIG_GET' }))).toMatchObject({
      link: [
        { ifname: 'a', kind: 'twins', data: { twin: 'b' } },
        { ifname: 'b', kind: 'twins', data: { twin: 'a' } },
      ],
    })
    expect(itemOf(await set({ link }))).toEqual([])
    expect(itemOf<unknown[]>(await set({ link: [] }))).toHaveLength(1)
    expect(names()).toEqual(['lo'])
  })

  test('that is too late is taken back, both devices, and their names are free', async () => {
    const gate = Promise.withResolvers<void>()
    const closed: number[] = []
    const { control, clock, names } = setup({
      ...twins,
      linkOps: ({ reserve }) => ({
        async newlink({ spec }) {
          const second = reserve(String(spec.data?.['twin']))
          await gate.promise
          return { error: 0, second }
        },
        dellink: (ifindex) => void closed.push(ifindex),
      }),
    })
    clock.step = 11e6
    const late = add('a', 'twins', { data: { twin: 'b' } })
    expect((await control.request(late)).error).toBe(Errno.ETIMEDOUT)
    clock.step = 0
    expect((await control.request(add('b', 'dummy'))).error).toBe(Errno.EBUSY)
    gate.resolve()
    for (let turn = 0; turn < 50; turn++) await Promise.resolve()
    expect(closed).toEqual([2, 3])
    for (const name of ['a', 'b']) expect((await control.request(add(name, 'dummy'))).error).toBe(0)
    expect(names()).toEqual(['lo', 'a', 'b'])
  })
})
