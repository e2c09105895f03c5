// Netfilter's hooks on whole stacks: which are asked of a packet, with which devices, and that one which was queued goes
// on where it was, by the way that is right by then.

import { expect, test } from 'bun:test'
import { Errno } from '../../core/base/errno.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from '../../core/control/nlm-flags.ts'
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_NUMHOOKS,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_QUEUE,
} from '../../core/netfilter/nf-constants.ts'
import { SKB_LEN } from '../../core/skb/skb.ts'
import * as icmp from '../../core/wire/icmp.ts'
import { IPPROTO_ICMP } from '../../core/wire/ipproto.ts'
import * as ipv4 from '../../core/wire/ipv4.ts'
import { joinOn } from '../support/groups.ts'
import { createSim, type SimHost } from '../../sim/net/net-sim.ts'
import { icmpMessage, ipPacket, udpDatagram } from '../../sim/net/packets.ts'
import { openUdp } from '../../sim/net/sim-apps.ts'
import { describePacket, ipStation, LONG_MS, MAC } from '../support/sim-topology.ts'

const HOOKS = ['PRE_ROUTING', 'LOCAL_IN', 'FORWARD', 'LOCAL_OUT', 'POST_ROUTING']

/** Station 10.0.1.1 - router (.254) - stations 10.0.2.2 and 10.0.3.2; the default route is by the first. */
const network = async () => {
  const sim = createSim(3)
  const eth = (n: number, address: string) => ({
    ifname: `eth${n}`,
    kind: 'pipe',
    address,
    addresses: [`10.0.${n}.254/24`],
    up: true,
  })
  const macs = [MAC.r1, MAC.r2, '02:00:00:00:00:13']
  const r = await sim.host('r', {
    setup: {
      link: [{ ifname: 'lo', up: true }, ...macs.map((mac, k) => eth(k + 1, mac))],
      route: [{ dst: 'default', gateway: '10.0.2.2' }],
      sysctl: { 'net.ipv4.ip_forward': 1 },
    },
  })
  const stations = macs.map((gatewayMac, k) => {
    const addr = `10.0.${k + 1}.${k === 0 ? 1 : 2}`
    const made = ipStation(sim, { mac: `02:00:00:00:01:0${k + 1}`, addr, gatewayMac })
    sim.wire(made.station, [r, `eth${k + 1}`])
    return made
  })
  const [a, b, c] = stations as [(typeof stations)[0], (typeof stations)[0], (typeof stations)[0]]
  const udp = (daddr: string, size = 20) => {
    const fields = { saddr: '10.0.1.1', daddr }
    a.send(ipPacket(fields, udpDatagram(fields, { sport: 1000, dport: 9 }, new Uint8Array(size))))
    sim.run(50)
  }
  return { sim, r, a, b, c, udp }
}
/** Notes what every hook of a host is asked: its name and the names of the devices. */
const record = (host: SimHost) => {
  const seen: string[] = []
  const names = ['lo', 'eth1', 'eth2', 'eth3']
  const nameOf = (ifindex: number): string =>
    ifindex === 0 ? '-' : (names.find((name) => host.ifindex(name) === ifindex) ?? '?')
  for (let hook = 0; hook < NF_INET_NUMHOOKS; hook++)
    host.stack.nf.register({
      hook,
      priority: 1,
      fn: (skb, state) => {
        const len = host.arena.i32[skb + SKB_LEN]!
        seen.push(`${HOOKS[state.hook]} ${nameOf(state.inDev)} ${nameOf(state.outDev)} ${len}`)
        return NF_ACCEPT
      },
    })
  host.turn()
  return () => seen.splice(0)
}
const ping = (size: number): Uint8Array =>
  icmpMessage(icmp.ICMP_ECHO, 0, 0x00010001, new Uint8Array(size).fill(5))

test('a forwarded packet passes PRE_ROUTING, FORWARD and POST_ROUTING', async () => {
  const { sim, r, b, udp } = await network()
  const seen = record(r)
  udp('10.0.2.2')
  expect(seen()).toEqual([
    'PRE_ROUTING eth1 - 48',
    'FORWARD eth1 eth2 48',
    'POST_ROUTING eth1 eth2 48',
  ])
  expect(b.packets).toHaveLength(1)
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test('a packet for us passes PRE_ROUTING and LOCAL_IN, our answer LOCAL_OUT and POST_ROUTING', async () => {
  const { sim, r, a } = await network()
  const seen = record(r)
  a.send(ipPacket({ saddr: '10.0.1.1', daddr: '10.0.1.254', protocol: IPPROTO_ICMP }, ping(56)))
  sim.run(50)
  expect(seen()).toEqual([
    'PRE_ROUTING eth1 - 84',
    'LOCAL_IN eth1 - 84',
    'LOCAL_OUT - eth1 84',
    'POST_ROUTING - eth1 84',
  ])
  expect(a.packets).toHaveLength(1)
})

test('an ICMP error of ours passes LOCAL_OUT and POST_ROUTING', async () => {
  const { sim, r, a, udp } = await network()
  const seen = record(r)
  const fields = { saddr: '10.0.1.1', daddr: '10.0.2.2', ttl: 1 }
  a.send(ipPacket(fields, udpDatagram(fields, { sport: 1, dport: 2 }, new Uint8Array(8))))
  sim.run(50)
  expect(seen()).toEqual(['PRE_ROUTING eth1 - 36', 'LOCAL_OUT - eth1 64', 'POST_ROUTING - eth1 64'])
  udp('10.0.1.254')
  expect(seen()).toEqual([
    'PRE_ROUTING eth1 - 48',
    'LOCAL_IN eth1 - 48',
    'LOCAL_OUT - eth1 76',
    'POST_ROUTING - eth1 76',
  ])
  expect(a.packets).toHaveLength(2)
})

test('fragments pass PRE_ROUTING each, and LOCAL_IN as the whole; ours are cut behind POST_ROUTING', async () => {
  const { sim, r, a } = await network()
  const seen = record(r)
  const message = ping(3000)
  for (let offset = 0; offset < message.length; offset += 1480) {
    const flags = offset + 1480 < message.length ? ipv4.IP_MF : 0
    const fields = { saddr: '10.0.1.1', daddr: '10.0.1.254', protocol: IPPROTO_ICMP, id: 9 }
    a.send(ipPacket({ ...fields, flags, offset }, message.subarray(offset, offset + 1480)))
  }
  sim.run(50)
  expect(seen()).toEqual([
    'PRE_ROUTING eth1 - 1500',
    'PRE_ROUTING eth1 - 1500',
    'PRE_ROUTING eth1 - 68',
    'LOCAL_IN eth1 - 3028',
    'LOCAL_OUT - eth1 3028',
    'POST_ROUTING - eth1 3028',
  ])
  expect(a.packets.map((packet) => packet.length)).toEqual([1500, 1500, 68])
})

test('what we send to ourselves passes all but FORWARD, by lo', async () => {
  const { sim, r } = await network()
  const seen = record(r)
  const socket = openUdp(r, 4000)
  socket.send(new Uint8Array(12), '10.0.1.254', 4000)
  sim.run(50)
  expect(seen()).toEqual([
    'LOCAL_OUT - lo 40',
    'POST_ROUTING - lo 40',
    'PRE_ROUTING lo - 40',
    'LOCAL_IN lo - 40',
  ])
  expect(socket.heard).toHaveLength(1)
  socket.close()
})

test('our own multicast passes POST_ROUTING twice: as it leaves, and as it is heard here', async () => {
  const { sim, r } = await network()
  const seen = record(r)
  const socket = openUdp(r, 4000)
  expect(joinOn(r.stack, socket.sk, '224.0.0.99', { dev: r.ifindex('eth2') })).toBe(0)
  sim.run(1000)
  seen()
  socket.send(new Uint8Array(12), '224.0.0.99', 4001)
  sim.run(50)
  expect(seen().map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    'LOCAL_OUT - eth2',
    'POST_ROUTING - eth2',
    'POST_ROUTING - eth2',
    'PRE_ROUTING eth2 -',
    'LOCAL_IN eth2 -',
  ])
  socket.close()
})

test('a sender hears that LOCAL_OUT refused its packet', async () => {
  const { sim, r } = await network()
  r.stack.nf.register({ hook: NF_INET_LOCAL_OUT, priority: 0, fn: () => NF_DROP })
  sim.run(1)
  const socket = openUdp(r, 4000)
  expect(socket.send(new Uint8Array(12), '10.0.2.2', 9)).toBe(-Errno.EPERM)
  expect(r.drops('NETFILTER_DROP')).toBe(1)
  socket.close()
})

test.each([
  ['PRE_ROUTING', NF_INET_PRE_ROUTING],
  ['FORWARD', NF_INET_FORWARD],
  ['POST_ROUTING', NF_INET_POST_ROUTING],
])('a packet queued at %s goes on there, counted once, by the route of now', async (_, hook) => {
  const { sim, r, b, c, udp } = await network()
  const seen = record(r)
  const entries: number[] = []
  const off = r.stack.nf.registerQueueHandler((entry) => entries.push(entry) > 0)
  r.stack.nf.register({ hook, priority: 0, fn: () => NF_QUEUE })
  udp('192.0.2.1')
  udp('192.0.2.1')
  expect(entries).toHaveLength(2)
  expect(b.packets).toHaveLength(0)
  const before = seen().length
  expect(before).toBe(2 * (hook === NF_INET_PRE_ROUTING ? 0 : hook === NF_INET_FORWARD ? 1 : 2))
  r.stack.nf.reinject(entries[0]!, NF_ACCEPT)
  sim.run(50)
  expect(b.packets.map(describePacket)).toMatchObject([{ dst: '192.0.2.1', ttl: 63 }])
  await r.must({
    type: 'RTM_NEWROUTE',
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    route: { dst: 'default', gateway: '10.0.3.2' },
  })
  r.stack.nf.reinject(entries[1]!, NF_ACCEPT)
  sim.run(50)
  expect(c.packets.map(describePacket)).toMatchObject([{ dst: '192.0.2.1', ttl: 63 }])
  expect(b.packets).toHaveLength(1)
  expect(r.mib('IpInReceives')).toBe(2)
  expect(r.mib('IpForwDatagrams')).toBe(2)
  off()
  sim.run(LONG_MS)
  expect(sim.leaks()).toEqual({})
})

test.each([
  ['LOCAL_IN', NF_INET_LOCAL_IN],
  ['LOCAL_OUT', NF_INET_LOCAL_OUT],
])('a packet of ours queued at %s goes on there', async (_, hook) => {
  const { sim, r, a } = await network()
  const seen = record(r)
  const entries: number[] = []
  r.stack.nf.registerQueueHandler((entry) => entries.push(entry) > 0)
  r.stack.nf.register({ hook, priority: 0, fn: () => NF_QUEUE })
  a.send(ipPacket({ saddr: '10.0.1.1', daddr: '10.0.1.254', protocol: IPPROTO_ICMP }, ping(56)))
  sim.run(50)
  expect(a.packets).toHaveLength(0)
  r.stack.nf.reinject(entries[0]!, NF_ACCEPT)
  sim.run(50)
  expect(a.packets).toHaveLength(1)
  expect(icmp.isChecksumOk(a.last(), 20, a.last().length - 20)).toBe(true)
  expect(seen()).toHaveLength(4)
  expect(r.mib('IcmpInEchos')).toBe(1)
})
