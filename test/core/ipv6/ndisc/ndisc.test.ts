import { describe, expect, test } from 'bun:test'
import {
  NTF_ROUTER,
  NEIGH_FLAGS,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../../../core/neigh/neigh-constants.ts'
import { Mib, Softnet } from '../../../../core/shm/counters.ts'
import { Conf6 } from '../../../../core/shm/devconf.ts'
import { Ipi } from '../../../../core/shm/ipi.ts'
import { Holder } from '../../../../core/skb/budget.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import { IPPROTO_FRAGMENT, IPPROTO_HOPOPTS } from '../../../../core/wire/ipproto.ts'
import { NA_OVERRIDE, NA_ROUTER, NA_SOLICITED } from '../../../../core/wire/ndisc.ts'
import {
  llOption,
  mtuOption,
  NA,
  type NdFields,
  ndFrame,
  NS,
  readNd,
  SLLA,
  solicitedNode,
  TLLA,
} from '../../../support/ndisc.ts'
import { fragmentHeader, icmpv6Frame, readIp6, udp6Frame } from '../../../../sim/net/packets6.ts'
import {
  CLIENT_MAC,
  createPathHost,
  createRouter6,
  fromServer,
  type PathHost,
  toRouter,
} from '../../../../sim/net/path-host.ts'

const OWN = '2001:db8:2::1'
const HOST = '2001:db8:2::9'
const OWN_MAC = toRouter.dst
const OTHER_MAC = '02:00:00:00:02:77'
const slla = llOption(SLLA, CLIENT_MAC)
const tlla = llOption(TLLA, CLIENT_MAC)

const ask = (over: Partial<NdFields> = {}): Uint8Array =>
  ndFrame({
    src: CLIENT_MAC,
    saddr: HOST,
    type: NS,
    target: OWN,
    options: slla,
    ...solicitedNode(OWN),
    ...over,
  })
const say = (over: Partial<NdFields> = {}): Uint8Array =>
  ndFrame({
    ...toRouter,
    saddr: HOST,
    daddr: OWN,
    type: NA,
    flags: NA_SOLICITED | NA_OVERRIDE,
    target: HOST,
    options: tlla,
    ...over,
  })
/** Without reports of groups, which have an extension header. */
const sentNd = (path: PathHost) =>
  path.sent
    .filter(({ frame }) => readIp6(frame).next !== IPPROTO_HOPOPTS)
    .map(({ frame }) => readNd(frame))

describe('a solicitation', () => {
  test('to the group of an address of ours is answered: solicited, override, router, our link address', () => {
    const path = createRouter6()
    path.receive(ask(), 2)
    expect(sentNd(path)).toEqual([
      {
        saddr: OWN,
        daddr: HOST,
        dst: CLIENT_MAC,
        hops: 255,
        type: NA,
        code: 0,
        flags: NA_ROUTER | NA_SOLICITED | NA_OVERRIDE,
        target: OWN,
        option: [TLLA, OWN_MAC],
      },
    ])
    // STALE it was, and is used by the answer
    expect(path.neighState(2, HOST)).toBe(NUD_DELAY)
    expect(path.neighMac(2, HOST)).toBe(CLIENT_MAC)
    expect(path.counter(Mib.Icmp6InNeighborSolicits)).toBe(1)
    expect(path.counter(Mib.Icmp6OutNeighborAdvertisements)).toBe(1)
    expect(path.counter(Softnet.neigh_rcv_probes_mcast)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('to us alone is answered without override and without our link address, which the asker knows', () => {
    const path = createRouter6()
    path.receive(ask({ daddr: OWN, dst: OWN_MAC }), 2)
    expect(sentNd(path)[0]).toMatchObject({ flags: NA_ROUTER | NA_SOLICITED, option: [] })
    expect(path.counter(Softnet.neigh_rcv_probes_ucast)).toBe(1)
  })
  test('who does not forward is no router', () => {
    const path = createRouter6()
    path.setConf(2, Conf6.forwarding, 0)
    path.receive(ask(), 2)
    expect(sentNd(path)[0]!.flags).toBe(NA_SOLICITED | NA_OVERRIDE)
  })
  test('from nobody, who tries whether the address is free, is answered to all nodes', () => {
    const path = createRouter6()
    path.receive(ask({ saddr: '::', options: [] }), 2)
    expect(sentNd(path)[0]).toMatchObject({
      saddr: OWN,
      daddr: 'ff02::1',
      flags: NA_ROUTER | NA_OVERRIDE,
      option: [TLLA, OWN_MAC],
    })
    expect(path.neighState(2, '::')).toBe(-1)
  })
  test('for what routers share is answered without override, from an address of our own', () => {
    const path = createRouter6()
    path.setConf(2, Conf6.forwarding, 1)
    path.mcJoin(2, Int32Array.of(0xff020000, 0, 1, 0xff000000))
    path.settle()
    path.receive(ask({ target: '2001:db8:2::', ...solicitedNode('2001:db8:2::') }), 2)
    // the others have a chance to be first (section 7.2.7)
    expect(sentNd(path)).toEqual([])
    path.advance(800)
    expect(sentNd(path)[0]).toMatchObject({ saddr: OWN, flags: NA_ROUTER | NA_SOLICITED })
  })
  test('by its group, without a link address, from one we do not know: nobody to answer', () => {
    const path = createRouter6()
    path.receive(ask({ options: [] }), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.neighState(2, HOST)).toBe(-1)
  })
  test('for an address of another link, or of nobody, is not answered', () => {
    const path = createRouter6()
    path.receive(ask({ target: '2001:db8:3::1' }), 2)
    path.receive(ask({ target: '2001:db8:2::5' }), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('of another link address is learned, and answered there', () => {
    const path = createRouter6()
    path.receive(ask(), 2)
    path.receive(ask({ options: llOption(SLLA, OTHER_MAC) }), 2)
    expect(path.neighMac(2, HOST)).toBe(OTHER_MAC)
    expect(sentNd(path)[1]!.dst).toBe(OTHER_MAC)
  })

  type Bad = [what: string, over: Partial<NdFields>, reason: number]
  const bad: Bad[] = [
    ['that came over a router', { hops: 254 }, Drop.IPV6_NDISC_HOP_LIMIT],
    ['with a code', { code: 1 }, Drop.IPV6_NDISC_BAD_CODE],
    ['for a group', { target: 'ff02::1' }, Drop.NOT_SPECIFIED],
    [
      'with an option of length zero',
      { options: [SLLA, 0, 0, 0, 0, 0, 0, 0] },
      Drop.IPV6_NDISC_BAD_OPTIONS,
    ],
    [
      'with an option that is cut',
      { options: [SLLA, 2, 0, 0, 0, 0, 0, 0] },
      Drop.IPV6_NDISC_BAD_OPTIONS,
    ],
    ['with half an option', { options: [SLLA, 1, 0, 0] }, Drop.IPV6_NDISC_BAD_OPTIONS],
    ['from nobody to one', { saddr: '::', daddr: OWN, options: [] }, Drop.NOT_SPECIFIED],
    ['from nobody, who has a link address', { saddr: '::' }, Drop.NOT_SPECIFIED],
    [
      'with a link address of another length',
      { options: [SLLA, 2, ...new Array(14).fill(1)] },
      Drop.NOT_SPECIFIED,
    ],
  ]
  test.each(bad)('%s is dropped', (_what, over, reason) => {
    const path = createRouter6()
    path.receive(ask(over), 2)
    expect(path.drops(reason)).toBe(1)
    expect(path.sent).toHaveLength(0)
    expect(path.neighState(2, HOST)).toBe(-1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('that is too short is dropped', () => {
    const path = createRouter6()
    const fields = { saddr: HOST, daddr: OWN, hops: 255 }
    path.receive(icmpv6Frame(toRouter, fields, NS, 0, 0, new Uint8Array(12)), 2)
    expect(path.drops(Drop.PKT_TOO_SMALL)).toBe(1)
  })
  test('is answered whatever is reserved, unknown or meant for other messages in it, in any order', () => {
    const path = createRouter6()
    const [unknown, mtu] = [[200, 1, 1, 2, 3, 4, 5, 6], mtuOption(1280)]
    path.receive(ask({ flags: 0xff, options: [...unknown, ...mtu, ...slla] }), 2)
    expect(sentNd(path)).toMatchObject([{ type: NA, daddr: HOST, dst: CLIENT_MAC }])
  })
  test('from a router leaves it one', () => {
    const path = createRouter6()
    path.receive(ask(), 2)
    path.receive(say({ flags: NA_SOLICITED | NA_ROUTER }), 2)
    path.receive(ask({ options: llOption(SLLA, OTHER_MAC) }), 2)
    expect(path.neighMac(2, HOST)).toBe(OTHER_MAC)
    expect(path.arena.i32[path.neighRow(2, HOST) + NEIGH_FLAGS]).toBe(NTF_ROUTER)
  })
  test('that came in a fragment is not read (RFC 6980)', () => {
    const path = createRouter6()
    path.receive(ask({ ext: [[IPPROTO_FRAGMENT, fragmentHeader(0, false, 7)]] }), 2)
    expect(path.drops(Drop.IPV6_NDISC_FRAG)).toBe(1)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('is answered by CPU 0, whichever has received it', () => {
    const path = createRouter6({ config: { workers: 2 } })
    path.receive(ask(), 2, path.workers[1])
    expect(sentNd(path)).toHaveLength(1)
    expect(path.sent[0]!.worker).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
})

describe('a neighbour is asked for', () => {
  const toHost = udp6Frame(
    fromServer,
    { saddr: '2001:db8:3::9', daddr: HOST },
    { sport: 1, dport: 2 }
  )
  test('by its group, from an address of the link, and gets what has waited', () => {
    const path = createRouter6()
    path.receive(toHost, 3)
    const group = solicitedNode(HOST)
    expect(sentNd(path)).toEqual([
      {
        saddr: 'fe80::1',
        ...group,
        hops: 255,
        type: NS,
        code: 0,
        flags: 0,
        target: HOST,
        option: [SLLA, OWN_MAC],
      },
    ])
    expect(path.neighState(2, HOST)).toBe(NUD_INCOMPLETE)
    path.receive(say(), 2)
    expect(path.neighState(2, HOST)).toBe(NUD_REACHABLE)
    expect(path.sent).toHaveLength(2)
    expect(path.counter(Mib.Icmp6OutNeighborSolicits)).toBe(1)
    expect(path.counter(Mib.Icmp6InNeighborAdvertisements)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('three times, a second apart; then the sender hears that it is unreachable', () => {
    const path = createRouter6()
    path.setNeigh(3, '2001:db8:3::9', fromServer.src)
    path.receive(toHost, 3)
    path.advance(2500)
    expect(sentNd(path).map(({ type }) => type)).toEqual([NS, NS, NS])
    path.advance(1000)
    expect(path.neighState(2, HOST)).toBe(NUD_FAILED)
    expect(path.counter(Mib.Icmp6OutDestUnreachs)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('without an address of the link nobody can ask', () => {
    const path = createPathHost()
    path.addDevice(2)
    path.addDevice(3)
    path.addAddress(2, `${OWN}/64`)
    path.addAddress(3, '2001:db8:3::1/64')
    path.receive(toHost, 3)
    expect(path.sent).toHaveLength(0)
  })
  test('once more, to it alone, when what is known of it is old', () => {
    const path = createRouter6()
    path.receive(ask(), 2)
    path.receive(toHost, 3)
    expect(path.neighState(2, HOST)).toBe(NUD_DELAY)
    path.sent.length = 0
    path.advance(5100)
    expect(sentNd(path)[0]).toMatchObject({ daddr: HOST, dst: CLIENT_MAC, type: NS })
    path.receive(say({ options: [] }), 2)
    expect(path.neighState(2, HOST)).toBe(NUD_REACHABLE)
  })
})

test('a device that comes up says which addresses are its own, where ndisc_notify asks for it', () => {
  const path = createRouter6()
  const up = () => {
    path.control.send(0, Ipi.DEV_UP, 2)
    path.settle()
  }
  up()
  expect(path.sent).toHaveLength(0)
  path.setConf(2, Conf6.ndisc_notify, 1)
  up()
  const said = { daddr: 'ff02::1', flags: NA_ROUTER | NA_OVERRIDE, option: [TLLA, OWN_MAC] }
  expect(sentNd(path)).toMatchObject([
    { ...said, saddr: OWN, target: OWN },
    { ...said, saddr: 'fe80::1', target: 'fe80::1' },
  ])
  expect(path.isAllReturned()).toBe(true)
})

describe('an advertisement', () => {
  const known = () => {
    const path = createRouter6()
    path.setNeigh(2, HOST, CLIENT_MAC, NUD_REACHABLE)
    return path
  }
  test('of who was not asked makes no entry', () => {
    const path = createRouter6()
    path.receive(say(), 2)
    expect(path.neighState(2, HOST)).toBe(-1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('with another link address, without override, makes a reachable neighbour STALE and changes nothing else', () => {
    const path = known()
    path.receive(say({ flags: NA_SOLICITED, options: llOption(TLLA, OTHER_MAC) }), 2)
    expect(path.neighState(2, HOST)).toBe(NUD_STALE)
    expect(path.neighMac(2, HOST)).toBe(CLIENT_MAC)
    // it is no longer REACHABLE: ignored
    path.receive(say({ flags: NA_SOLICITED, options: llOption(TLLA, OTHER_MAC) }), 2)
    expect(path.neighMac(2, HOST)).toBe(CLIENT_MAC)
  })
  test('with override is believed; unsolicited it proves nothing', () => {
    const path = known()
    path.receive(
      say({
        flags: NA_OVERRIDE,
        daddr: 'ff02::1',
        dst: '33:33:00:00:00:01',
        options: llOption(TLLA, OTHER_MAC),
      }),
      2
    )
    expect(path.neighState(2, HOST)).toBe(NUD_STALE)
    expect(path.neighMac(2, HOST)).toBe(OTHER_MAC)
  })
  test('says whether the neighbour is a router', () => {
    const path = known()
    const flags = () => path.arena.i32[path.neighRow(2, HOST) + NEIGH_FLAGS]
    path.receive(say({ flags: NA_SOLICITED | NA_ROUTER }), 2)
    expect(flags()).toBe(NTF_ROUTER)
    path.receive(say({ flags: NA_SOLICITED }), 2)
    expect(flags()).toBe(0)
  })
  test('from another, for an address of ours, is a conflict', () => {
    const path = createRouter6()
    path.receive(say({ target: OWN }), 2)
    expect(path.counter(Softnet.ndisc_conflicts)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('without a link address is no answer while there is none', () => {
    const path = createRouter6()
    path.receive(
      udp6Frame(fromServer, { saddr: '2001:db8:3::9', daddr: HOST }, { sport: 1, dport: 2 }),
      3
    )
    expect(path.neighState(2, HOST)).toBe(NUD_INCOMPLETE)
    path.receive(say({ options: [] }), 2)
    expect(path.neighState(2, HOST)).toBe(NUD_INCOMPLETE)
  })
  test('that is solicited and yet to all is dropped', () => {
    const path = known()
    const over = { daddr: 'ff02::1', dst: '33:33:00:00:00:01', options: llOption(TLLA, OTHER_MAC) }
    path.receive(say(over), 2)
    expect(path.drops(Drop.NOT_SPECIFIED)).toBe(1)
    expect(path.neighMac(2, HOST)).toBe(CLIENT_MAC)
  })
  test('a neighbour that has failed is asked anew, not believed', () => {
    const path = createRouter6()
    path.setNeigh(2, HOST, null, NUD_FAILED)
    path.receive(say(), 2)
    expect(path.neighState(2, HOST)).toBe(NUD_FAILED)
  })
})

describe('for a neighbour that it stands in for (ip neigh add proxy)', () => {
  const AWAY = '2001:db8:2::77'
  const router = (flags = 0) => {
    const path = createRouter6()
    path.setConf(2, Conf6.proxy_ndp, 1)
    path.setConf(2, Conf6.proxy_delay, 0)
    path.addProxy(2, AWAY, flags)
    path.addRoute(`${AWAY}/128`, 3, { via: 'fe80::5' })
    path.settle()
    path.advance(3000)
    path.sent.length = 0
    return path
  }
  const about = { target: AWAY, ...solicitedNode(AWAY) }

  test('a router answers, overriding nobody, and is taken for one only where it is said to be', () => {
    for (const [flags, said] of [
      [0, NA_SOLICITED],
      [NTF_ROUTER, NA_SOLICITED | NA_ROUTER],
    ] as const) {
      const path = router(flags)
      path.receive(ask(about), 2)
      expect(sentNd(path)).toMatchObject([{ type: NA, target: AWAY, flags: said, daddr: HOST }])
      expect(sentNd(path)[0]!.option).toEqual([TLLA, OWN_MAC])
      expect(path.isAllReturned()).toBe(true)
    }
  })
  test('it waits before it does, unless it is asked alone (proxy_delay, section 7.2.8)', () => {
    const path = router()
    path.setConf(2, Conf6.proxy_delay, 80)
    path.receive(ask({ target: AWAY, daddr: AWAY, dst: OWN_MAC }), 2)
    expect(sentNd(path)).toMatchObject([{ type: NA, target: AWAY }])
    path.receive(ask(about), 2)
    expect(sentNd(path)).toHaveLength(1)
    expect(path.first.skbs.budget.smallHeld(Holder.proxy)).toBe(1)
    path.advance(800)
    expect(sentNd(path)).toMatchObject([{ type: NA }, { type: NA, target: AWAY, daddr: HOST }])
    expect(path.isAllReturned()).toBe(true)
  })
  test('its own answer that comes back teaches it nothing', () => {
    const path = router()
    path.setNeigh(2, AWAY, CLIENT_MAC, NUD_STALE)
    const back = { target: AWAY, saddr: 'fe80::1', daddr: 'ff02::1', flags: NA_OVERRIDE }
    path.receive(say({ ...back, options: llOption(TLLA, OWN_MAC) }), 2)
    expect(path.neighMac(2, AWAY)).toBe(CLIENT_MAC)
    path.receive(say({ ...back, options: llOption(TLLA, OTHER_MAC) }), 2)
    expect(path.neighMac(2, AWAY)).toBe(OTHER_MAC)
  })
  test('it says so to who tries the address', () => {
    const path = router()
    path.receive(ask({ ...about, saddr: '::', options: [] }), 2)
    expect(sentNd(path)).toMatchObject([{ type: NA, target: AWAY, daddr: 'ff02::1', flags: 0 }])
  })
  test('it answers too when it is asked by the address itself, which it sends nowhere', () => {
    const path = router()
    path.receive(ask({ target: AWAY, daddr: AWAY, dst: OWN_MAC }), 2)
    expect(sentNd(path)).toMatchObject([{ type: NA, target: AWAY }])
    expect(path.sent.every(({ dev }) => dev === 2)).toBe(true)
  })
  test('it sends on what goes there', () => {
    const path = router()
    path.setNeigh(3, 'fe80::5', OTHER_MAC)
    path.receive(udp6Frame(toRouter, { saddr: HOST, daddr: AWAY }, { sport: 1, dport: 2 }), 2)
    expect(path.sent.map(({ dev }) => dev)).toEqual([3])
  })
  test('it can send nowhere what goes to an address of the link, and says so', () => {
    const path = router()
    path.setNeigh(2, HOST, CLIENT_MAC)
    path.addProxy(2, 'fe80::77')
    path.sent.length = 0
    path.receive(udp6Frame(toRouter, { saddr: HOST, daddr: 'fe80::77' }, { sport: 1, dport: 2 }), 2)
    expect(path.sent.map(({ frame }) => [readIp6(frame).daddr, frame[54], frame[55]])).toEqual([
      [HOST, 1, 3],
    ])
    expect(path.counter(Mib.Ip6InDiscards)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test.each([
    ['proxy_ndp is off', (path: PathHost) => path.setConf(2, Conf6.proxy_ndp, 0), 2],
    ['it does not forward', (path: PathHost) => path.setConf(2, Conf6.forwarding, 0), 2],
    ['it is asked on another link', () => {}, 3],
  ])('nobody answers while %s', (_, change, dev) => {
    const path = router()
    change(path)
    path.receive(ask(about), dev)
    expect(sentNd(path)).toEqual([])
  })
})
