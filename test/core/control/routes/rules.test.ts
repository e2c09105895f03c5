import { describe, expect, test } from 'bun:test'
import { Errno } from '../../../../core/base/errno.ts'
import {
  createFlowi,
  FL_DADDR,
  FL_DEV,
  FL_DPORT,
  FL_FAMILY,
  FL_IIF,
  FL_MARK,
  FL_OIF,
  FL_PROTO,
  FL_SADDR,
  FL_SPORT,
  FL_TOS,
} from '../../../../core/base/flowi.ts'
import type { RuleSpec } from '../../../../core/control/text/messages.ts'
import { parseAddr } from '../../../../core/wire/text.ts'
import { dumped, FLAGS, itemOf, makeControl, refusal } from '../../../support/control-plane.ts'

/** A host with four ways out, one a table: main by `a`, 100 by `b`, 200 by `c`, and its own by none. */
const router = async () => {
  const made = makeControl({ fibTables: 16 })
  const { ip, control, router } = made
  for (const [k, dev] of ['a', 'b', 'c'].entries()) {
    await ip.veth(dev)
    await ip.addr(`10.0.${k}.1/24`, dev)
    await ip.addr(`fd00:${k}::1/64`, dev)
  }
  for (const [table, k, dev] of [
    ['main', 0, 'a'],
    ['100', 1, 'b'],
    ['200', 2, 'c'],
  ] as const) {
    await ip.route('add', `default via 10.0.${k}.2 dev ${dev} table ${table}`)
    await ip.route('add', `default via fd00:${k}::2 dev ${dev} table ${table}`)
  }
  const add = (rule: RuleSpec) => control.request({ type: 'RTM_NEWRULE', flags: FLAGS.add, rule })
  const del = (rule: RuleSpec) => control.request({ type: 'RTM_DELRULE', rule })
  const rules = (family: 'inet' | 'inet6' = 'inet') =>
    dumped(control, { type: 'RTM_GETRULE', filter: { family } }).map(
      ({ priority, table, action, nop, goto }) =>
        `${priority} ${table ?? action ?? (nop === null ? 'nop' : `goto ${goto}`)}`
    )
  const indexOf = (dev: string): number =>
    dumped(control, { type: 'RTM_GETLINK' }).find(({ ifname }) => ifname === dev)?.ifindex ?? 0
  const fl = createFlowi()
  type Flow = {
    src?: string
    iif?: string
    oif?: string
    mark?: number
    tos?: number
    proto?: number
    sport?: number
    dport?: number
  }
  const fill = (dst: string, flow: Flow): void => {
    const to = parseAddr(dst)!
    fl.fill(0)
    fl[FL_FAMILY] = to.family === 4 ? 2 : 10
    fl.set(to.words, FL_DADDR)
    const from = flow.iif && (to.family === 4 ? '10.0.2.9' : 'fd00:2::9')
    if (flow.src ?? from) fl.set(parseAddr((flow.src ?? from)!)!.words, FL_SADDR)
    fl[FL_IIF] = flow.iif ? indexOf(flow.iif) : 0
    fl[FL_OIF] = flow.oif ? indexOf(flow.oif) : 0
    fl[FL_MARK] = flow.mark ?? 0
    fl[FL_TOS] = flow.tos ?? 0
    fl[FL_PROTO] = flow.proto ?? 0
    fl[FL_SPORT] = flow.sport ?? 0
    fl[FL_DPORT] = flow.dport ?? 0
  }
  /** The device that a packet leaves by, or -errno. */
  const way = (dst: string, flow: Flow = {}): string | number => {
    fill(dst, flow)
    const error = flow.iif ? router.routeInput(fl) : router.routeOutput(fl)
    if (error !== 0) return error
    return dumped(control, { type: 'RTM_GETLINK' }).find((l) => l.ifindex === fl[FL_DEV])!.ifname
  }
  return { ...made, add, del, rules, way }
}

const FAR = '192.0.2.1'
const FAR6 = '2001:db8::1'

test('a net begins with the rules for the tables local, main and default', async () => {
  const { rules } = await router()
  expect(rules()).toEqual(['0 local', '32766 main', '32767 default'])
  expect(rules('inet6')).toEqual(['0 local', '32766 main'])
})

describe.each([
  ['inet', FAR, '10.0.1.1', '10.0.0.1', '10.0.1.0'],
  ['inet6', FAR6, 'fd00:1::1', 'fd00:0::1', 'fd00:1::'],
] as const)(
  '%s: a flow takes the table of the first rule that it matches',
  (family, far, own, other, network) => {
    const len = family === 'inet' ? 24 : 64
    test.each<[string, RuleSpec, object, object]>([
      ['from', { src: own }, { src: own }, { src: other }],
      ['from a network', { src: network, srclen: len }, { src: own }, { src: other }],
      ['to', { dst: far }, {}, { far: family === 'inet' ? '192.0.2.2' : '2001:db8::2' }],
      ['oif', { oif: 'b' }, { oif: 'b' }, { oif: 'a' }],
      ['iif lo, what is made here', { iif: 'lo' }, {}, { iif: 'c' }],
      ['fwmark', { fwmark: 7 }, { mark: 7 }, { mark: 6 }],
      ['fwmark under a mask', { fwmark: '0x10', fwmask: '0xf0' }, { mark: 0x1f }, { mark: 0x2f }],
      ['tos', { tos: '0x10' }, { tos: 0x13 }, { tos: 0x20 }],
      ['ipproto', { ipproto: 'tcp' }, { proto: 6 }, { proto: 17 }],
      ['sport', { sport: 53 }, { sport: 53 }, { sport: 54 }],
      ['dport range', { dport_start: 80, dport_end: 90 }, { dport: 90 }, { dport: 91 }],
      ['not', { not: null, fwmark: 7 }, { mark: 8 }, { mark: 7 }],
    ])('%s', async (_, rule, matching, different) => {
      const { add, way, control } = await router()
      await control.request({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 1 })
      await control.request({ type: 'SYSCTL_SET', name: 'net.ipv6.conf.all.forwarding', value: 1 })
      itemOf(await add({ family, table: 100, ...rule }))
      const { far: elsewhere = far, ...flow } = different as { far?: string }
      expect(way(far, matching)).toBe('b')
      expect(way(elsewhere, flow)).toBe('a')
    })

    test('iif, of what is received', async () => {
      const { add, way, control } = await router()
      await control.request({ type: 'SYSCTL_SET', name: 'net.ipv4.ip_forward', value: 1 })
      await control.request({ type: 'SYSCTL_SET', name: 'net.ipv6.conf.all.forwarding', value: 1 })
      itemOf(await add({ family, iif: 'c', table: 100 }))
      expect(way(far, { iif: 'c' })).toBe('b')
      expect(way(far, { iif: 'a' })).toBe('a')
      expect(way(far)).toBe('a')
    })

    test('a rule that refuses says why', async () => {
      const { add, way } = await router()
      for (const [mark, action] of ['blackhole', 'unreachable', 'prohibit'].entries())
        itemOf(await add({ family, fwmark: mark + 1, action }))
      expect([1, 2, 3].map((mark) => way(far, { mark }))).toEqual([
        -Errno.EINVAL,
        -Errno.ENETUNREACH,
        -Errno.EACCES,
      ])
      expect(way(far)).toBe('a')
    })

    test('goto skips what is between; without a target it goes on', async () => {
      const { add, del, way } = await router()
      itemOf(await add({ family, priority: 10, goto: 20 }))
      itemOf(await add({ family, priority: 15, table: 100 }))
      expect(way(far)).toBe('b')
      itemOf(await add({ family, priority: 20, nop: null }))
      expect(way(far)).toBe('a')
      itemOf(await del({ family, priority: 20 }))
      expect(way(far)).toBe('b')
    })

    test('suppress_prefixlength passes over routes that are no longer than that', async () => {
      const { add, way, ip } = await router()
      itemOf(await add({ family, priority: 5, table: 'main', suppress_prefixlen: 0 }))
      itemOf(await add({ family, priority: 6, table: 100 }))
      expect(way(far)).toBe('b')
      await ip.route('add', `${far}/${family === 'inet' ? 32 : 128} dev a`)
      expect(way(far)).toBe('a')
    })

    test('a rule waits for its table, and outlives it', async () => {
      const { add, way, ip } = await router()
      itemOf(await add({ family, priority: 5, table: 300 }))
      expect(way(far)).toBe('a')
      const gateway = family === 'inet' ? '10.0.2.2' : 'fd00:2::2'
      await ip.route('add', `default via ${gateway} dev c table 300`)
      expect(way(far)).toBe('c')
      await ip.route('del', `default via ${gateway} dev c table 300`)
      expect(way(far)).toBe('a')
    })

    test('a throw route sends the flow on to the next rule', async () => {
      const { add, way, ip } = await router()
      itemOf(await add({ family, priority: 5, table: 100 }))
      const all = family === 'inet' ? '192.0.2.0/24' : '2001:db8::/32'
      await ip.route('add', `throw ${all} table 100`)
      expect(way(far)).toBe('a')
      await ip.route('add', `throw ${all}`)
      expect(way(far)).toBe(-Errno.ENETUNREACH)
    })

    test('a rule without one gets the priority before the others', async () => {
      const { add, rules } = await router()
      const usual = rules(family)
      itemOf(await add({ family, table: 100 }))
      itemOf(await add({ family, table: 200 }))
      expect(rules(family)).toEqual([usual[0]!, '32764 200', '32765 100', ...usual.slice(1)])
    })

    test('without rules there is no way; with the usual ones again there is', async () => {
      const { add, del, way } = await router()
      itemOf(await del({ family, priority: 32766 }))
      expect(way(far)).toBe(-Errno.ENETUNREACH)
      itemOf(await add({ family, priority: 32766, table: 'main' }))
      expect(way(far)).toBe('a')
    })
  }
)

test('a rule follows its device by name', async () => {
  const { add, way, ip, control } = await router()
  itemOf(await add({ oif: 'later', table: 100 }))
  const shown = () => dumped(control, { type: 'RTM_GETRULE', filter: { family: 'inet' } })[1]!
  expect(shown().oif_detached).toBeNull()
  await ip.link('c', { newname: 'later' })
  expect(shown().oif_detached).toBeUndefined()
  // bound to it, and table 100 leads elsewhere: the default route by it in main, or as if on link
  expect(way(FAR, { oif: 'later' })).toBe('later')
  await control.request({ type: 'RTM_DELLINK', ifname: 'later' })
  expect(shown().oif_detached).toBeNull()
})

test('rules are given back when they go, and one that finds no room changes nothing', async () => {
  const { add, del, rules } = await router()
  const before = rules()
  let added = 0
  let last = await add({ priority: 9, table: 100 })
  while (last.error === 0) last = await add({ priority: 10 + added++, table: 100 })
  expect(last.error).toBe(Errno.ENOBUFS)
  expect(refusal(last)).toBe('Error: There is no room for another rule.')
  const full = rules().length
  for (let k = 0; k < full - before.length; k++) itemOf(await del({ table: 100 }))
  expect(rules()).toEqual(before)
  itemOf(await add({ priority: 9, table: 100 }))
})

test.each<[string, RuleSpec, number, string]>([
  ['goto backwards', { priority: 9, goto: 5 }, Errno.EINVAL, 'Error: Backward goto not supported.'],
  [
    'a TOS with ECN bits',
    { tos: 3, table: 5 },
    Errno.EINVAL,
    'Error: Invalid dsfield (tos): ECN bits must be 0.',
  ],
  ['port 0', { sport: 0, table: 5 }, Errno.EINVAL, 'Error: Invalid sport range.'],
  [
    'ports the wrong way round',
    { dport_start: 9, dport_end: 1 },
    Errno.EINVAL,
    'Error: Invalid dport range.',
  ],
  [
    'an address of the other family',
    { family: 'inet', src: 'fe80::1' },
    Errno.EINVAL,
    'Error: Invalid source address.',
  ],
  [
    'no such table',
    { table: 'zork' },
    Errno.EINVAL,
    'Error: argument "zork" is wrong: invalid table ID',
  ],
  [
    'no such protocol',
    { ipproto: 'foo' },
    Errno.EINVAL,
    'Error: argument "foo" is wrong: Invalid "ipproto" value',
  ],
  [
    'the same again',
    { priority: 32766, table: 'main', protocol: 'kernel' },
    Errno.EEXIST,
    'RTNETLINK answers: File exists',
  ],
])('is refused: %s', async (_, rule, errno, words) => {
  const { add, rules } = await router()
  const before = rules()
  const reply = await add(rule)
  expect(reply.error).toBe(errno)
  expect(refusal(reply)).toBe(words)
  expect(rules()).toEqual(before)
})

test('deleting what is not there is ENOENT', async () => {
  const { del } = await router()
  expect(refusal(await del({ priority: 99 }))).toBe('RTNETLINK answers: No such file or directory')
})

test('the table of a local address is told since there were other rules, though they are gone', async () => {
  const { control, add, del } = await router()
  const tableOf = async (dst: string) =>
    itemOf(await control.request({ type: 'RTM_GETROUTE', dst })).table
  expect(await tableOf('10.0.0.1')).toBe('main')
  const rule = { priority: 7, to: '10.9.0.0/16', table: 100 }
  await add(rule)
  expect(await tableOf('10.0.0.1')).toBe('local')
  await del(rule)
  expect(await tableOf('10.0.0.1')).toBe('local')
})
