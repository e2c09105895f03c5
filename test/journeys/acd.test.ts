// Address conflict detection of IPv4 (RFC 5227): what a host asks before an address is its own, what it says when it is, and how
// it keeps it. The others on the link are played by the test.

import { describe, expect, test } from 'bun:test'
import type { AddressInfo } from '../../core/control/text/messages.ts'
import * as arp from '../../core/wire/arp.ts'
import * as ethernet from '../../core/wire/ethernet.ts'
import { createSim } from '../../sim/net/net-sim.ts'
import { dumped } from '../support/control-plane.ts'
import { arpFrame, BROADCAST_MAC, icmpFrame, ipText, macText } from '../../sim/net/packets.ts'

const MAC = '02:00:00:00:00:0a'
const OTHER_MAC = '02:00:00:00:00:99'
const OWN = '10.0.0.1'
const OTHER = '10.0.0.9'
const FOREIGN = '10.7.7.7'

const host = async (transmits = 3, setUp: object[] = []) => {
  const sim = createSim(1)
  const h = await sim.host('h', {
    setup: {
      link: [
        { ifname: 'lo', up: true },
        { ifname: 'eth0', kind: 'pipe', address: MAC, up: true },
      ],
      sysctl: {
        'net.ipv4.conf.eth0.dad_transmits': transmits,
        'net.ipv6.conf.all.disable_ipv6': 1,
        'net.ipv4.ip_forward': 0,
      },
    },
  })
  const link = sim.station()
  sim.wire(link, [h, 'eth0'])
  for (const message of setUp) await h.must(message as never)
  /** ARP that was heard in so many milliseconds: when, in tenths of a second since `begin`, and who asks for whom. */
  const begin = sim.nowMs()
  const heard = (ms: number) => {
    const found: { at: number; sip: string; tip: string; frame: Uint8Array }[] = []
    for (let left = ms; left > 0; left -= 10) {
      sim.run(10)
      for (const frame of link.received.splice(0)) {
        if (ethernet.type(frame, 0) !== ethernet.ETH_P_ARP) continue
        const [sip, tip] = [ipText(arp.senderIp(frame, 14)), ipText(arp.targetIp(frame, 14))]
        found.push({ at: sim.nowMs() - begin, sip, tip, frame })
      }
    }
    return found
  }
  const words = (ms: number): string[] => heard(ms).map(({ sip, tip }) => `${sip} ${tip}`)
  const add = (local = OWN, more = {}): Promise<void> =>
    h.must({
      type: 'RTM_NEWADDR',
      flags: 0x600,
      address: { dev: 'eth0', local, prefixlen: 24, ...more },
    })
  const say = (fields: { op?: number; sha?: string; sip: string; tip: string }): void =>
    link.send(
      arpFrame(
        { dst: BROADCAST_MAC, src: fields.sha ?? OTHER_MAC },
        { op: arp.ARPOP_REQUEST, sha: OTHER_MAC, ...fields }
      )
    )
  const find = (local = OWN): AddressInfo | undefined =>
    dumped(h.control, { type: 'RTM_GETADDR', filter: { dev: 'eth0' } })
      .flatMap(({ addr_info }) => addr_info)
      .find((at) => at.local === local)
  const routes = (table = 'main'): string[] =>
    dumped(h.control, { type: 'RTM_GETROUTE', filter: { family: 'inet', table } })
      .filter(({ dev }) => dev === 'eth0')
      .map(({ type, dst, prefsrc }) => [type, dst, ...(prefsrc ? [prefsrc] : [])].join(' '))
  const setLink = (set: object): Promise<void> =>
    h.must({ type: 'RTM_NEWLINK', flags: 0, link: { ifname: 'eth0', ...set } })
  return { sim, h, link, heard, words, add, say, find, routes, setLink }
}
const PROBE = `0.0.0.0 ${OWN}`
const ANNOUNCEMENT = `${OWN} ${OWN}`

describe('an address', () => {
  test('is asked for three times as nobody, is ours two seconds later, and is announced twice', async () => {
    const { sim, heard, add, find, routes } = await host()
    await add()
    expect(find()).toMatchObject({ tentative: true })
    const all = heard(12_000)
    expect(all.map(({ sip, tip }) => `${sip} ${tip}`)).toEqual([
      ...Array(3).fill(PROBE),
      ...Array(2).fill(ANNOUNCEMENT),
    ])
    for (const { frame } of all) {
      expect(macText(frame, 0)).toBe(BROADCAST_MAC)
      expect(macText(frame, 14 + arp.SENDER_MAC)).toBe(MAC)
      expect(macText(frame, 14 + arp.TARGET_MAC)).toBe('00:00:00:00:00:00')
      expect(arp.operation(frame, 14)).toBe(arp.ARPOP_REQUEST)
    }
    const [first, second, third, said, again] = all.map(({ at }) => at) as [
      number,
      number,
      number,
      number,
      number,
    ]
    expect(first).toBeLessThanOrEqual(1010)
    for (const gap of [second - first, third - second]) {
      expect(gap).toBeGreaterThanOrEqual(990)
      expect(gap).toBeLessThanOrEqual(2010)
    }
    // control looks ten times a second at what was found out
    expect(said - third).toBeGreaterThanOrEqual(1990)
    expect(said - third).toBeLessThanOrEqual(2200)
    expect(Math.abs(again - said - 2000)).toBeLessThanOrEqual(10)
    expect(find()).not.toHaveProperty('tentative')
    expect(routes()).toEqual([`unicast 10.0.0.0/24 ${OWN}`])
    sim.run(20_000)
    expect(sim.leaks()).toEqual({})
  })
  test('is nobody’s meanwhile: its network is there, and nothing is sent from it or taken for it', async () => {
    const { h, link, words, add, say, routes } = await host()
    await add()
    expect(routes()).toEqual(['unicast 10.0.0.0/24'])
    expect(routes('local')).toEqual([])
    // so a gateway may be named that is on it
    await h.must({
      type: 'RTM_NEWROUTE',
      flags: 0x400,
      route: { dst: 'default', gateway: '10.0.0.254' },
    })
    say({ sip: OTHER, tip: OWN })
    link.send(icmpFrame({ dst: MAC, src: OTHER_MAC }, { saddr: OTHER, daddr: OWN }, 8, 0, 1))
    expect(words(2000).filter((one) => one !== PROBE)).toEqual([])
    words(8000)
    expect(routes()).toEqual(['unicast default', `unicast 10.0.0.0/24 ${OWN}`])
    expect(routes('local')).toContain(`local ${OWN} ${OWN}`)
    say({ sip: OTHER, tip: OWN })
    expect(words(50)).toEqual([`${OWN} ${OTHER}`])
  })
  test.each<[string, Parameters<Awaited<ReturnType<typeof host>>['say']>[0]]>([
    ['another has it, and asks for somebody', { sip: OWN, tip: FOREIGN }],
    ['another has it, and answers', { op: arp.ARPOP_REPLY, sip: OWN, tip: '0.0.0.0' }],
    ['another tries it too', { sip: '0.0.0.0', tip: OWN }],
  ])('is not ours when %s', async (_, fields) => {
    const { sim, words, add, say, find, routes } = await host()
    await add()
    words(1500)
    say(fields)
    expect(words(20_000)).toEqual([])
    expect(find()).toMatchObject({ tentative: true, dadfailed: true })
    expect(routes('local')).toEqual([])
    say({ sip: OTHER, tip: OWN })
    expect(words(1000)).toEqual([])
    expect(sim.leaks()).toEqual({})
  })
  test('is ours, though the link sends our own question back, or others are asked for', async () => {
    const { link, words, heard, add, say, find } = await host()
    await add()
    const [probe] = heard(1010)
    link.send(probe!.frame)
    say({ sip: '0.0.0.0', tip: OTHER })
    say({ sip: OTHER, tip: OWN })
    words(8000)
    expect(find()).not.toHaveProperty('tentative')
  })
  test('is ours at once where nobody asks for that, or with nodad', async () => {
    const plain = await host(0)
    await plain.add()
    expect(plain.find()).not.toHaveProperty('tentative')
    expect(plain.words(10_000)).toEqual([])
    const { add, find, words } = await host()
    await add(OWN, { flags: ['nodad'] })
    expect(find()).not.toHaveProperty('tentative')
    expect(words(10_000)).toEqual([])
  })
  test('is tried once more when its device comes up again, and its conflict forgotten', async () => {
    const { words, add, say, find, setLink } = await host()
    await add()
    words(500)
    say({ sip: OWN, tip: FOREIGN })
    words(500)
    expect(find()).toMatchObject({ dadfailed: true })
    await setLink({ up: false })
    await setLink({ up: true })
    expect(find()).not.toHaveProperty('dadfailed')
    expect(words(12_000)).toEqual([...Array(3).fill(PROBE), ...Array(2).fill(ANNOUNCEMENT)])
    expect(find()).not.toHaveProperty('tentative')
  })
  test('that is taken away is asked for no more', async () => {
    const { h, words, add } = await host()
    await add()
    words(1500)
    await h.must({
      type: 'RTM_DELADDR',
      address: { dev: 'eth0', local: OWN, prefixlen: 24 },
    })
    expect(words(10_000)).toEqual([])
  })
})

describe('an address that is ours', () => {
  const owner = async (transmits = 3) => {
    const made = await host(transmits)
    await made.add()
    made.words(15_000)
    return made
  }
  test('is defended, once in ten seconds at most, and stays ours', async () => {
    const { words, say, find } = await owner()
    say({ sip: OWN, tip: FOREIGN })
    say({ sip: OWN, tip: OWN })
    expect(words(50)).toEqual([ANNOUNCEMENT])
    say({ op: arp.ARPOP_REPLY, sip: OWN, tip: OTHER })
    expect(words(9900)).toEqual([])
    say({ sip: OWN, tip: FOREIGN })
    expect(words(50)).toEqual([])
    words(100)
    say({ sip: OWN, tip: FOREIGN })
    expect(words(50)).toEqual([ANNOUNCEMENT])
    expect(find()).not.toHaveProperty('tentative')
  })
  test('is not defended where nobody asks for that', async () => {
    const { words, say } = await owner(0)
    say({ sip: OWN, tip: FOREIGN })
    expect(words(50)).toEqual([])
  })
  test('is not defended against who asks for it, nor against ourselves', async () => {
    const { words, say } = await owner()
    say({ sha: MAC, sip: OWN, tip: OWN })
    expect(words(50)).toEqual([])
    say({ sip: '0.0.0.0', tip: OWN })
    expect(words(50)).toEqual([`${OWN} 0.0.0.0`])
  })
})
