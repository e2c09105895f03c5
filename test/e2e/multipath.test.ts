// Routes with several next hops, beside the kernel: the same lines of ip to both, whose listings and refusals are the same,
// also while links go down and come back; and with one seed both choose the same next hop for every flow, by every policy.

import { beforeAll, expect, test } from 'bun:test'
import { createBeside, type Said } from './support/beside.ts'
import { describeE2e } from './support/inside.ts'

const LINES = [
  'link set lo up',
  ...['va', 'vb', 'vc'].flatMap((dev) => [
    `link add ${dev} type veth peer name ${dev}p`,
    `link set ${dev} up`,
    `link set ${dev}p up`,
  ]),
  'addr add 10.0.0.1/24 dev va',
  'addr add 10.0.1.1/24 dev vb',
  'addr add 10.0.2.1/24 dev vc',
  'addr add fd00::1/64 dev va nodad',
  'addr add fd00:1::1/64 dev vb nodad',
  'route add 10.1.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.1.2 nexthop dev vc weight 256',
  'route add 10.2.0.0/16 nexthop via inet6 fd00:1::2 dev vb nexthop via 10.99.0.1 dev va onlink weight 2',
  'route add 10.3.0.0/16 nexthop via 10.0.0.2',
  'route add 10.4.0.0/16 mtu 1400 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route add 10.4.0.0/16 metric 5 nexthop via 10.0.1.2 nexthop via 10.0.2.2',
  'route add 10.5.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route append 10.5.0.0/16 via 10.0.1.2',
  'route add 10.6.0.0/16 via 10.0.0.2',
  'route replace 10.6.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.3',
  'route add 10.7.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route del 10.7.0.0/16 via 10.0.0.2',
  'route add 10.8.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route replace 10.8.0.0/16 via 10.0.1.2',
  '-6 route add 2001:db8::/32 nexthop via fd00::2 weight 3 nexthop via fd00:1::2',
  '-6 route add 2001:db9::/32 via fd00::2',
  '-6 route append 2001:db9::/32 via fd00:1::2',
  '-6 route append 2001:db9::/32 nexthop via fd00::3 nexthop via fd00:1::3',
  '-6 route append 2001:db9::/32 dev va',
  '-6 route add 2001:dba::/32 nexthop via fd00::2 nexthop via fd00:1::2',
  '-6 route del 2001:dba::/32 via fd00::2',
  '-6 route add 2001:dbb::/32 nexthop via fd00::2 nexthop via fd00:1::2',
  '-6 route replace 2001:dbb::/32 via fd00::9',
]
const LISTS = [
  'route',
  '-j route',
  '-d route',
  'route show dev vb',
  ...['2001:db8::/32', '2001:db9::/32', '2001:dba::/32', '2001:dbb::/32'].flatMap((net) => [
    `-6 route show ${net}`,
    `-6 -j route show ${net}`,
  ]),
]
const WRONG = [
  'route add 10.20.0.0/16 nexthop via 10.0.0.2 weight 0',
  'route add 10.20.0.0/16 nexthop via 10.0.0.2 weight 257',
  'route add 10.20.0.0/16 nexthop via 10.9.0.2 nexthop via 10.0.0.2',
  'route add blackhole 10.20.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route add 10.1.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route del 10.1.0.0/16 via 10.0.1.2',
  'route del 10.1.0.0/16 dev vb',
  '-6 route add 2001:dbc::/32 nexthop via fd00::2 nexthop via fd00::2',
  '-6 route add 2001:dbc::/32 nexthop via fd00::2 nexthop via fd05::2',
  '-6 route add 2001:dbc::/32 nexthop via fd00::2 nexthop dev va',
  '-6 route add 2001:dbc::/32 nexthop via fd00::2 nexthop via 10.0.0.2',
  '-6 route append 2001:db8::/32 via fd00::2',
]

describeE2e(import.meta.path, 'several next hops beside the kernel', () => {
  const { both, firstRefused, sysctl } = createBeside()
  const expectSame = async (line: string): Promise<void> => {
    const { kernel, ours } = await both(line)
    expect([line, ours]).toEqual([line, kernel])
  }

  /** The kernel tells of a carrier up to a second after it is gone (linkwatch). */
  const sameCarriers = async (): Promise<void> => {
    for (const end = Date.now() + 5000; Date.now() < end; await Bun.sleep(20)) {
      const { kernel, ours } = await both('-j route show root 10.0.0.0/22')
      if (kernel.text === ours.text) return
    }
  }

  beforeAll(async () => {
    expect(await firstRefused(LINES)).toBeUndefined()
  })

  test.each(LISTS)('ip %s is the same', expectSame)

  test.each(WRONG)('ip %s is refused in the same words', async (line) => {
    expect((await both(line)).kernel.isDone).toBe(false)
    await expectSame(line)
  })

  /** What says where a flow goes, both families; `k` makes one flow of many. */
  const questions = (k: number): string[] => {
    const ports = `ipproto ${k % 2 === 0 ? 'tcp' : 'udp'} sport ${1024 + 7 * k} dport ${k % 5 === 0 ? 53 : 443}`
    const [a, b] = [(k * 37) % 251, (k * 101) % 253]
    return [
      `-j route get 10.1.${a}.${b}`,
      `-j route get 10.4.${a}.${b} ${ports}`,
      `-j route get 10.1.${a}.${b} from 10.0.1.1 ${ports}`,
      `-j route get 10.1.${a}.${b} from 10.7.${b}.${a} iif vc ${ports}`,
      `-j route get 10.9.${a}.${b} ${ports}`,
      `-j route get 10.10.${a}.${b} from 10.7.${b}.${a} iif vc ${ports}`,
      `-6 -j route get 2001:db8::${a}:${b} ${ports}`,
      `-6 -j route get 2001:db9::${a}:${b} from fd00::1 ${ports}`,
      `-6 -j route get 2001:dbd::${a}:${b} ${ports}`,
    ]
  }
  const wayOf = ({ isDone, text }: Said): string => {
    if (!isDone) return text
    const [{ gateway, dev }] = JSON.parse(text)
    return `${gateway} ${dev}`
  }
  test('both choose the same for every flow, by every policy', async () => {
    const groups = [
      'nexthop add id 1 via 10.0.0.2 dev va',
      'nexthop add id 2 via 10.0.1.2 dev vb',
      'nexthop add id 3 via fd00::2 dev va',
      'nexthop add id 4 via fd00:1::2 dev vb',
      'nexthop add id 10 group 1,3/2,2',
      'nexthop add id 11 group 1/2,3 type resilient buckets 7',
      'nexthop add id 12 group 3/4 type resilient buckets 5',
      'route add 10.9.0.0/16 nhid 10',
      'route add 10.10.0.0/16 nhid 11',
      '-6 route add 2001:dbd::/32 nhid 12',
    ]
    expect(await firstRefused(groups)).toBeUndefined()
    const forwarding = ['net.ipv4.conf.all.rp_filter', 'net.ipv4.conf.vc.rp_filter']
    for (const name of forwarding) await sysctl(name, 0)
    await sysctl('net.ipv4.ip_forward', 1)
    const ways = new Set<string>()
    for (const seed of [1, 0xfedcba98]) {
      await sysctl('net.ipv4.fib_multipath_hash_seed', seed)
      for (const [policy, fields] of [
        [0, 7],
        [1, 7],
        [2, 7],
        [3, 7],
        [3, 0x33],
        [3, 0x15],
        [3, 0x28],
        [3, 0xfc0],
      ] as const) {
        for (const family of ['ipv4', 'ipv6']) {
          await sysctl(`net.${family}.fib_multipath_hash_policy`, policy)
          await sysctl(`net.${family}.fib_multipath_hash_fields`, fields)
        }
        for (let k = 0; k < 12; k++)
          for (const line of questions(k)) {
            const { kernel, ours } = await both(line)
            const about = [seed, policy, fields, line]
            expect([...about, wayOf(ours)]).toEqual([...about, wayOf(kernel)])
            ways.add(`${line.split('.')[1]} ${wayOf(kernel)}`)
          }
      }
    }
    // not all by one
    expect(ways.size).toBeGreaterThan(5)
    for (const family of ['ipv4', 'ipv6'])
      await sysctl(`net.${family}.fib_multipath_hash_policy`, 0)
    expect(
      await firstRefused([
        'nexthop del id 1',
        'nexthop del id 2',
        'nexthop del id 3',
        'nexthop del id 4',
      ])
    ).toBeUndefined()
  })

  test.each([
    'route get 10.1.0.1 ipproto tcp sport 5 dport 6',
    'route get 10.3.0.1 ipproto icmp',
    'route get 10.3.0.1 ipproto 132',
    'route get 10.3.0.1 ipproto foo',
    'route get 10.3.0.1 ipproto tcp sport 70000',
    'route get 10.3.0.1 dport x',
    '-6 route get 2001:dbb::1 ipproto icmp',
    '-6 route get 2001:dbb::1 ipproto ipv6-icmp sport 0x10',
  ])('ip %s is the same', expectSame)

  test('next hops die and come back with their links, and a route goes with the last', async () => {
    const changes = [
      'link set vbp down',
      'link set vbp up',
      'link set vb down',
      'link set vb up',
      'link set va down',
      'link set vb down',
      'link set vb up',
      'link set va up',
      'link del vc',
    ]
    for (const line of changes) {
      expect(await firstRefused([line])).toBeUndefined()
      await sameCarriers()
      await expectSame('-j route')
      await expectSame('route')
      await expectSame('-6 route show 2001:db8::/32')
      await expectSame('-6 route show 2001:db9::/32')
    }
  })
})
