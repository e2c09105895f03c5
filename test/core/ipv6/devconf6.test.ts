// What the settings of a device (net.ipv6.conf.*) do to packets.

import { expect, test } from 'bun:test'
import { Conf6 } from '../../../core/shm/devconf.ts'
import { Mib } from '../../../core/shm/counters.ts'
import { Drop } from '../../../core/skb/drop.ts'
import { FL_MTU, FL_SADDR } from '../../../core/base/flowi.ts'
import * as icmpv6 from '../../../core/wire/icmpv6.ts'
import { createRouter6, SERVER_MAC, toRouter } from '../../../sim/net/path-host.ts'
import { icmpv6Frame, readIcmpv6, readIp6, udp6Frame } from '../../../sim/net/packets6.ts'

const fields = { saddr: '2001:db8:2::9', daddr: '2001:db8:2::1' }
const through = { ...fields, daddr: '2001:db8:3::9' }
const ports = { sport: 4000, dport: 9 }
const router = () => {
  const path = createRouter6()
  path.setNeigh(2, '2001:db8:2::9', toRouter.src)
  path.setNeigh(3, '2001:db8:3::9', SERVER_MAC)
  return path
}
const echo = icmpv6Frame(toRouter, fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 7)

test('disable_ipv6: nothing comes in, and nothing goes out', () => {
  const path = router()
  path.setConf(2, Conf6.disable_ipv6, 1)
  path.receive(echo, 2)
  expect(path.counter(Mib.Ip6InDiscards)).toBe(1)
  path.setConf(2, Conf6.disable_ipv6, 0)
  path.setConf(3, Conf6.disable_ipv6, 1)
  path.receive(udp6Frame(toRouter, through, ports), 2)
  expect(path.counter(Mib.Ip6OutDiscards)).toBe(1)
  expect(path.drops(Drop.IPV6DISABLED)).toBe(2)
  expect(path.sent).toHaveLength(0)
  expect(path.isAllReturned()).toBe(true)
})

test('force_forwarding of the device that a packet comes by, when nothing is forwarded', () => {
  const path = router()
  path.setConf(0, Conf6.forwarding, 0)
  path.setConf(2, Conf6.force_forwarding, 1)
  path.receive(udp6Frame(toRouter, through, ports), 2)
  expect(path.sent.map(({ dev }) => dev)).toEqual([3])
})

test('hop_limit of the device that a packet leaves by', () => {
  const path = router()
  path.setConf(2, Conf6.hop_limit, 33)
  path.receive(echo, 2)
  expect(readIp6(path.sent[0]!.frame).hops).toBe(33)
})

test('mtu: less than the device takes, for what is sent and what is sent on', () => {
  const path = router()
  path.setConf(3, Conf6.mtu, 1300)
  const fl = path.flow('::', '2001:db8:3::9')
  expect(path.first.routeOutput(fl)).toBe(0)
  expect(fl[FL_MTU]).toBe(1300)
  path.receive(udp6Frame(toRouter, through, ports, new Uint8Array(1300 - 48 + 1)), 2)
  const { type, rest } = readIcmpv6(path.sent[0]!.frame)
  expect([type, rest]).toEqual([icmpv6.ICMPV6_PKT_TOOBIG, 1300])
  path.setConf(3, Conf6.mtu, 9000)
  expect(path.first.routeOutput(fl)).toBe(0)
  expect(fl[FL_MTU]).toBe(1500)
})

test('drop_unicast_in_l2_multicast', () => {
  const path = router()
  const link = { ...toRouter, dst: '33:33:00:00:00:01' }
  path.receive(icmpv6Frame(link, fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 7), 2)
  expect(path.sent).toHaveLength(1)
  path.setConf(2, Conf6.drop_unicast_in_l2_multicast, 1)
  path.receive(icmpv6Frame(link, fields, icmpv6.ICMPV6_ECHO_REQUEST, 0, 7), 2)
  expect(path.sent).toHaveLength(1)
  expect(path.drops(Drop.UNICAST_IN_L2_MULTICAST)).toBe(1)
})

test('use_oif_addrs_only: no address of another device, though it fits better', () => {
  const path = createRouter6()
  path.addAddress(1, '2001:db8:9::1/128')
  path.addRoute('2001:db8:9::/48', 2)
  const source = (): number => {
    const fl = path.flow('::', '2001:db8:9::7')
    expect(path.first.routeOutput(fl)).toBe(0)
    return fl[FL_SADDR + 1]!
  }
  path.addDevice(4)
  path.addRoute('2001:db8:9::/48', 4)
  expect(source()).toBe(9 << 16)
  path.setConf(4, Conf6.use_oif_addrs_only, 1)
  expect(path.first.routeOutput(path.flow('::', '2001:db8:9::7'))).toBeLessThan(0)
})
