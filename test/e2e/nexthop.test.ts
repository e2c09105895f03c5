// Nexthop objects, their groups of both types, and the routes by them, beside the kernel: the same lines of ip to both, whose
// listings and refusals are the same, also when objects are replaced and deleted and when links go; and the gateways of routes.

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
  'addr add fd00::1/64 dev va nodad',
  'nexthop add id 1 via 10.0.0.2 dev va',
  'nexthop add id 2 via 10.0.1.2 dev vb protocol static',
  'nexthop add id 3 dev vc',
  'nexthop add id 4 blackhole',
  '-6 nexthop add id 5 blackhole',
  'nexthop add id 6 via fd00::2 dev va',
  'nexthop add id 7 group 1/2',
  'nexthop add id 8 group 1,3/2,256 type mpath',
  'nexthop add id 9 group 6',
  'nexthop add id 11 group 4',
  'nexthop add id 12 via 10.50.0.1 dev vc onlink',
  'nexthop add id 14 via fe80::1 dev vb',
  'nexthop add id 15 group 2',
  '-6 nexthop add id 16 dev vb',
  'nexthop add id 17 group 6/14',
  'nexthop replace id 18 group 1/14',
  'nexthop add id 21 group 1/2,3 type resilient buckets 8',
  'nexthop add id 22 group 6 type resilient buckets 4 idle_timer 10 unbalanced_timer 100',
  'nexthop replace id 21 group 1/2,3/12 type resilient idle_timer 40',
  'nexthop add id 23 group 12,7 type mpath protocol static',
  'nexthop add id 24 group 1,256/3 type resilient buckets 3 protocol static',
  'nexthop add id 25 via 10.0.0.25 dev va type resilient buckets 8',
  'nexthop add id 4294967295 group 1/2 type resilient buckets 2 idle_timer 0',
  'route add 10.1.0.0/16 nhid 1',
  'route add 10.2.0.0/16 nhid 7',
  'route add 10.3.0.0/16 nhid 15',
  'route add 10.4.0.0/16 nhid 4',
  'route add 10.5.0.0/16 nhid 14',
  'route add 10.6.0.0/16 nhid 8 metric 5 src 10.0.1.1 mtu 1400',
  'route add 10.6.0.0/16 nhid 2 metric 7',
  'route add 10.6.0.0/16 via 10.0.0.9 metric 6',
  'route add blackhole 10.8.0.0/16 nhid 1',
  'route add unreachable 10.9.0.0/16 nhid 1',
  'route add 10.10.0.0/16 nhid 3 scope link',
  'route add 10.11.0.0/16 nhid 12',
  'route add 10.12.0.0/16 nhid 5',
  'route add 10.13.0.0/16 nhid 18 table 7',
  'route add 10.14.0.0/16 nhid 1',
  'route append 10.14.0.0/16 nhid 2',
  'route add 10.15.0.0/16 via 10.0.0.2',
  'route replace 10.15.0.0/16 nhid 2',
  'route add 10.16.0.0/16 nhid 2',
  'route del 10.16.0.0/16 nhid 2',
  'route add 10.17.0.0/16 nhid 16',
  'route add 10.18.0.0/16 nhid 21',
  'route add 10.19.0.0/16 nhid 4294967295',
  '-6 route add 2001:db8:1::/48 nhid 6',
  '-6 route append 2001:db8:1::/48 via fd00::9',
  '-6 route append 2001:db8:1::/48 via fd00::8',
  '-6 route add 2001:db8:2::/48 nhid 9',
  '-6 route add 2001:db8:3::/48 nhid 5',
  '-6 route add 2001:db8:4::/48 nhid 17 metric 7 src fd00::1',
  '-6 route add unreachable 2001:db8:5::/48 nhid 6',
  '-6 route add 2001:db8:6::/48 nhid 16',
  '-6 route add 2001:db8:7::/48 nhid 6',
  '-6 route del 2001:db8:7::/48 nhid 6',
  '-6 route add 2001:db8:8::/48 nhid 22',
]
const NEXTHOPS = [
  'nexthop',
  '-d nexthop',
  '-j nexthop',
  '-j -d nexthop',
  '-6 nexthop',
  '-4 nexthop',
  'nexthop show dev va',
  'nexthop list groups',
  'nexthop show id 8',
  'nexthop get id 8',
  '-j nexthop get id 6',
  'nexthop get id 21',
]
/** Their times are not the same. */
const BUCKETS = [
  'nexthop bucket',
  '-j nexthop bucket',
  '-j nexthop bucket list id 21',
  'nexthop bucket show nhid 1',
  'nexthop bucket list dev va',
  'nexthop bucket list dev vb id 21 nhid 2',
  '-6 nexthop bucket',
  'nexthop bucket get id 21 index 3',
  '-j nexthop bucket get id 21 index 7',
]
const ROUTES = [
  'route',
  '-j route',
  'route show table 7',
  '-6 route show root 2001:db8::/32',
  '-6 -j route show root 2001:db8::/32',
  'route get 10.1.0.1',
  '-j route get 10.3.0.1',
  'route get 10.4.0.1',
  'route get 10.5.0.1',
  '-j route get 10.11.0.1',
  '-6 route get 2001:db8:1::1',
  '-6 route get 2001:db8:3::1',
  '-6 -j route get 2001:db8:2::1',
]
const WRONG = [
  'nexthop add id 1 via 10.0.0.2 dev va',
  'nexthop add id 20 via 10.0.1.2',
  'nexthop add id 20 via 10.99.1.2 dev va',
  'nexthop add id 20',
  'nexthop add id 20 via 10.0.1.2 dev vb bla',
  'nexthop add id x via 10.0.1.2 dev vb',
  'nexthop add id 20 via fd77::3 dev va',
  'nexthop add id 20 via fd00::1 dev va',
  'nexthop add id 20 via ff02::1 dev va',
  'nexthop add id 20 via 224.0.0.1 dev va',
  'nexthop add id 20 via 10.0.0.1 dev va onlink',
  'nexthop add id 20 blackhole dev va',
  'nexthop add id 20 blackhole via 10.0.0.2',
  'nexthop add id 20 group 1/99',
  'nexthop add id 20 group 1/1',
  'nexthop add id 20 group 7',
  'nexthop add id 20 group 4/1',
  'nexthop add id 20 group 1/5',
  'nexthop get id 99',
  'nexthop del id 99',
  'nexthop del id 0',
  'nexthop del',
  'nexthop foo',
  'nexthop change id 1 via 10.0.0.3',
  'nexthop replace id 1 group 2',
  'nexthop replace id 7 via 10.0.0.2 dev va',
  'nexthop replace id 1 blackhole',
  'nexthop replace id 6 via 10.0.0.7 dev va',
  'nexthop replace id 9 group 1',
  'nexthop add id 20 group 1/2 dev va',
  'nexthop add id 20 group 1/2 via 10.0.0.2',
  'nexthop add id 20 group 1/2 blackhole',
  '-6 nexthop add id 20 group 6',
  'nexthop add id 20 group 21',
  'nexthop add id 20 group 1/2 type foo',
  'nexthop add id 20 group 1/2 type res buckets 8',
  'nexthop add id 20 group 1/2 type mpath buckets 8',
  'nexthop add id 20 group 1/2 type resilient',
  'nexthop add id 20 group 1/2 type resilient buckets 0',
  'nexthop add id 20 group 1/2 type resilient buckets 65536',
  'nexthop add id 20 group 1/2 type resilient buckets 8 idle_timer 42949672',
  'nexthop add id 20 group 1/2 type resilient buckets 8 unbalanced_timer x',
  'nexthop add id 20 group 4/1 type resilient buckets 8',
  'nexthop replace id 21 group 1/2',
  'nexthop replace id 8 group 1/2 type resilient buckets 8',
  'nexthop replace id 21 group 1/2 type resilient buckets 4',
  'nexthop replace id 21 via 10.0.0.2 dev va',
  'nexthop replace id 20 group 1/2 type resilient',
  'nexthop bucket show id 1',
  'nexthop bucket show id 8',
  'nexthop bucket show id 99',
  'nexthop bucket list foo',
  'nexthop bucket get id 21 index 99',
  'nexthop bucket get id 1 index 3',
  'nexthop bucket get id 8 index 3',
  'nexthop bucket get id 99 index 3',
  'nexthop bucket get id 21 index x',
  'nexthop bucket foo',
  'route add 10.1.0.0/16 nhid 2',
  'route append 10.1.0.0/16 nhid 1',
  'route add 10.20.0.0/16 nhid 99',
  'route add 10.20.0.0/16 nhid 1 dev va',
  'route add 10.20.0.0/16 nhid 1 via 10.0.0.2',
  'route add 10.20.0.0/16 nhid 1 nexthop via 10.0.0.2 nexthop via 10.0.1.2',
  'route add 10.20.0.0/16 nhid 1 scope host',
  'route add 10.20.0.0/16 nhid 7 scope host',
  'route add 10.20.0.0/16 nhid 12 scope link',
  'route add local 10.20.0.0/16 nhid 1',
  'route del 10.1.0.0/16 nhid 2',
  'route del 10.1.0.0/16 via 10.0.0.2',
  'route del 10.1.0.0/16 dev va',
  '-6 route add 2001:db8:9::/48 nhid 1',
  '-6 route add 2001:db8:9::/48 nhid 7',
  '-6 route add 2001:db8:9::/48 nhid 3',
  '-6 route add 2001:db8:9::/48 nhid 99',
  '-6 route del 2001:db8:1::/48 nhid 9',
]

/** What leads to gateways, and whether a route by one is taken. */
const GATEWAYS = [
  '-6 route add fd00::100/128 via fd00::2',
  '-6 route add fd00::200/128 via fe80::2 dev vb',
  '-6 route add fd00::300/128 dev vb',
  '-6 route add blackhole fd00::400/128',
  '-6 route add unreachable fd00:5::/64',
  '-6 route add fd00:6::/64 dev vb table 7',
  '-6 route add fd00:7::/64 via fd00::2 table 8',
  '-6 route add fd00:7::/64 dev va',
  '-6 route add fd00:8::/64 nexthop via fd00::2 nexthop via fe80::1 dev vb',
  'route add 10.106.0.0/16 dev vb table 7',
  'route add 10.107.0.0/16 via 10.0.0.2 table 8',
  'route add 10.107.0.0/16 dev va',
]
const BY_GATEWAYS = [
  '-6 route add 2001:db8:91::/48 via fd00::100',
  '-6 route add 2001:db8:92::/48 via fd00::100 dev va',
  '-6 route add 2001:db8:93::/48 via fd00::200 dev va',
  '-6 route add 2001:db8:94::/48 via fd00::200',
  '-6 route add 2001:db8:95::/48 via fd00::300',
  '-6 route add 2001:db8:96::/48 via fd00::300 dev va',
  '-6 route add 2001:db8:97::/48 via fd00::400',
  '-6 route add 2001:db8:98::/48 via fd00::400 dev va',
  '-6 route add 2001:db8:99::/48 via fd00:5::1',
  '-6 route add 2001:db8:9a::/48 via fd00:6::1',
  '-6 route add 2001:db8:9b::/48 via fd00:6::1 table 7',
  '-6 route add 2001:db8:9c::/48 via fd00:6::1 table 9',
  '-6 route add 2001:db8:9d::/48 via fd00:7::1 table 8',
  '-6 route add 2001:db8:9e::/48 via 2001:db8:77::1',
  '-6 route add 2001:db8:9f::/48 via fd00::100 dev va onlink',
  '-6 route add 2001:db8:a0::/48 nexthop via fd00::100 nexthop via fd00::3',
  '-6 route add 2001:db8:a1::/48 via fd00:8::1',
  '-6 route add 2001:db8:a2::/48 via fd00:8::1 dev va',
  'nexthop add id 91 via fd00::100 dev va',
  'nexthop add id 92 via fd00:6::1 dev vb',
  'nexthop add id 93 via fd00::300 dev va',
  'nexthop add id 94 via fd00::400 dev va',
  'route add 10.150.0.0/16 via 10.106.0.1 table 7',
  'route add 10.151.0.0/16 via 10.106.0.1',
  'route add 10.152.0.0/16 via 10.107.0.1 table 8',
  'route add 10.153.0.0/16 via 10.107.0.1',
  'route add 10.154.0.0/16 via 10.106.0.1 table 9',
]

describeE2e(import.meta.path, 'nexthop objects beside the kernel', () => {
  const { both, firstRefused, sysctl } = createBeside()
  const expectSame = async (line: string): Promise<void> => {
    const { kernel, ours } = await both(line)
    expect([line, ours]).toEqual([line, kernel])
  }
  const same = async (lines: readonly string[]): Promise<void> => {
    for (const line of lines) await expectSame(line)
  }
  const LISTS = ['-j nexthop', '-j route', '-6 -j route show root 2001:db8::/32']
  /** The kernel tells of a carrier up to a second after it is gone (linkwatch). */
  const sameCarriers = async (): Promise<void> => {
    for (const end = Date.now() + 5000; Date.now() < end; await Bun.sleep(20)) {
      const said = [await both('-j nexthop'), await both('-j route')]
      if (said.every(({ kernel, ours }) => kernel.text === ours.text)) return
    }
  }

  beforeAll(async () => {
    expect(await firstRefused(LINES)).toBeUndefined()
  })

  test.each([...NEXTHOPS, ...ROUTES])('ip %s is the same', expectSame)

  const timeless = ({ text, ...said }: Said): Said => ({
    ...said,
    text: text.replaceAll(/(idle_time"?:? ?)[\d.]+/g, '$1T'),
  })
  const sameBuckets = async (line: string): Promise<void> => {
    const { kernel, ours } = await both(line)
    expect([line, timeless(ours)]).toEqual([line, timeless(kernel)])
  }
  test.each(BUCKETS)('ip %s is the same but for times', sameBuckets)

  test('routes name their objects alone where nobody needs to know more', async () => {
    await sysctl('net.ipv4.nexthop_compat_mode', 0)
    await same(ROUTES)
    await sysctl('net.ipv4.nexthop_compat_mode', 1)
    await same(ROUTES)
  })

  test('a gateway is where a link leads to', async () => {
    expect(await firstRefused(GATEWAYS)).toBeUndefined()
    await same(BY_GATEWAYS)
    await same(['-6 -j route show root 2001:db8::/32', 'route show table 7', 'route show table 8'])
  })

  test.each(WRONG)('ip %s is refused in the same words', async (line) => {
    expect((await both(line)).kernel.isDone).toBe(false)
    await expectSame(line)
  })

  test('routes and groups follow what is replaced, and go with what is deleted', async () => {
    const changes = [
      'nexthop replace id 1 via 10.0.0.7 dev va',
      'nexthop replace id 4 via 10.0.0.8 dev va',
      'nexthop replace id 4 blackhole',
      'nexthop replace id 7 group 1,9/2,2/12',
      'nexthop replace id 21 group 1/12 type resilient',
      'nexthop replace id 21 group 12,3/2/1,2 type resilient buckets 8',
      'nexthop replace id 6 via fd00::77 dev va',
      'nexthop replace id 1 via fd00::78 dev va',
      'nexthop replace id 30 via 10.0.0.30 dev va',
      'route add 10.30.0.0/16 nhid 30',
      'addr del 10.0.0.1/24 dev va',
      'addr add 10.0.0.1/24 dev va',
      'nexthop del id 2',
      'nexthop del id 9',
      'nexthop del id 6',
      'nexthop del id 1',
    ]
    for (const line of changes) {
      expect(await firstRefused([line])).toBeUndefined()
      await same(LISTS)
      await sameBuckets('nexthop bucket')
    }
  })

  test('objects go with their link', async () => {
    const changes = ['link set va down', 'link set vbp down', 'link set vbp up', 'link del vc']
    for (const line of changes) {
      expect(await firstRefused([line])).toBeUndefined()
      await sameCarriers()
      await same(LISTS)
    }
    await same(['nexthop flush', 'nexthop', 'nexthop flush'])
  })
})
