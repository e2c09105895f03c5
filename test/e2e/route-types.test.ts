// Every type of route beside the kernel: which are taken, how they are listed, and what is said of a packet that meets one.

import { beforeAll, expect, test } from 'bun:test'
import { createBeside, type Said } from './support/beside.ts'
import { describeE2e } from './support/inside.ts'

const LINKS = [
  'link set lo up',
  'link add va type veth peer name vap',
  'link set va up',
  'link set vap up',
  'addr add 10.0.0.1/24 dev va',
  'addr add fd00::1/64 dev va nodad',
]
/** Not all are taken. */
const ROUTES = [
  'route add throw 10.1.0.0/16',
  'route add throw 10.2.0.0/16 table 7',
  'route add throw 10.3.0.0/16 dev va',
  'route add multicast 239.1.0.0/16 dev va',
  'route add multicast 10.4.0.0/16 dev va',
  'route add multicast 10.5.0.0/16 via 10.0.0.2',
  'route add multicast 10.5.0.0/16 via 10.0.0.2 scope global',
  'route add broadcast 10.6.0.255 dev va',
  'route add broadcast 10.6.0.254 via 10.0.0.2',
  'route add broadcast 10.6.0.253 dev va scope global',
  'route add anycast 10.7.0.1 dev va',
  'route add anycast 10.7.0.2 dev va scope global',
  'route add local 10.8.0.1 dev va',
  'route add local 10.8.0.0/16 dev lo',
  'route add local 10.8.1.1 dev lo scope link',
  'route add local 10.9.0.1 via 10.0.0.2',
  'route add 10.10.0.0/16 via 10.0.0.2 scope link',
  'route add 10.10.0.0/16 via 10.0.0.2 scope host',
  'route add 10.10.0.0/16 via 10.0.0.2 scope link dev va onlink',
  'route add 10.10.0.0/16 dev va scope host',
  'route add unreachable 10.11.0.0/16 metric 5',
  'route add prohibit 10.12.0.0/16',
  'route add blackhole 10.13.0.0/16 scope link',
  '-6 route add throw 2001:db8:1::/48',
  '-6 route add multicast 2001:db8:2::/48 dev va',
  '-6 route add multicast 2001:db8:2::/48 dev va table 7',
  '-6 route add broadcast 2001:db8:3::/48 dev va',
  '-6 route add anycast 2001:db8:4::1 dev va',
  '-6 route add local 2001:db8:5::/48 dev lo',
  '-6 route add local 2001:db8:6::1 dev va',
  '-6 route add local 2001:db8:7::1 via fd00::2',
  '-6 route add anycast 2001:db8:8::1 via fd00::2',
  '-6 route add prohibit 2001:db8:9::/48',
]
const SHOWN = [
  'route',
  '-j route',
  'route show table 7',
  'route show table local root 10.0.0.0/8',
  '-6 route show root 2001:db8::/32',
  '-6 -j route show table local root 2001:db8::/32',
  '-6 route show table 7',
  'route get 10.1.0.1',
  'route get 10.4.0.1',
  'route get 10.5.0.1',
  'route get 10.6.0.255',
  'route get 10.7.0.1',
  'route get 10.8.0.1',
  '-j route get 10.8.3.1',
  'route get 10.11.0.1',
  'route get 10.12.0.1',
  'route get 10.13.0.1',
  '-6 route get 2001:db8:1::1',
  '-6 route get 2001:db8:2::1',
  '-6 -j route get 2001:db8:4::1',
  '-6 route get 2001:db8:5::1',
  '-6 route get 2001:db8:6::1',
  '-6 route get 2001:db8:9::1',
]

/** What was received, while it may be sent on. */
const RECEIVED = [
  'route get 10.4.0.1 from 10.99.0.1 iif vap',
  'route get 10.7.0.1 from 10.99.0.1 iif vap',
  'route get 10.8.3.1 from 10.99.0.1 iif vap',
  'route get 10.11.0.1 from 10.99.0.1 iif vap',
  'route get 10.12.0.1 from 10.99.0.1 iif vap',
  'route get 10.13.0.1 from 10.99.0.1 iif vap',
  '-6 route get 2001:db8:9::1 from fd09::1 iif vap',
]

describeE2e(import.meta.path, 'types of routes beside the kernel', () => {
  const { both, firstRefused, sysctl } = createBeside()
  /** A bit that the kernel has for groups' routes means something else to ip. */
  const readable = ({ text, ...said }: Said): Said => ({
    ...said,
    text: text.replace(' rt_offload_failed', ''),
  })
  const same = async (line: string): Promise<void> => {
    const { kernel, ours } = await both(line)
    expect([line, ours]).toEqual([line, readable(kernel)])
  }
  beforeAll(async () => {
    expect(await firstRefused(LINKS)).toBeUndefined()
  })
  test.each(ROUTES)('ip %s', same)
  test.each(SHOWN)('ip %s', same)
  test('what is received meets the same', async () => {
    for (const dev of ['all', 'vap']) await sysctl(`net.ipv4.conf.${dev}.rp_filter`, 0)
    await sysctl('net.ipv4.ip_forward', 1)
    await sysctl('net.ipv6.conf.all.forwarding', 1)
    for (const line of RECEIVED) await same(line)
    await sysctl('net.ipv4.ip_forward', 0)
    for (const line of RECEIVED.slice(0, 6)) await same(line)
  })
})
