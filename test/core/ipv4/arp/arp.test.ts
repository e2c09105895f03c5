import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import { IFF_NOARP, IFF_UP } from '../../../../core/netdev/netdev.ts'
import {
  NUD_INCOMPLETE,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../../../core/neigh/neigh-constants.ts'
import { CONF_ALL, Conf4 } from '../../../../core/shm/devconf.ts'
import { Softnet } from '../../../../core/shm/counters.ts'
import { Ipi } from '../../../../core/shm/ipi.ts'
import { Holder } from '../../../../core/skb/budget.ts'
import { Drop } from '../../../../core/skb/drop.ts'
import * as arp from '../../../../core/wire/arp.ts'
import * as icmp from '../../../../core/wire/icmp.ts'
import { createRouter, CLIENT_MAC, fromServer, toRouter } from '../../../../sim/net/path-host.ts'
import {
  arpFrame,
  BROADCAST_MAC,
  icmpMessage,
  ip,
  ipFrame,
  ipText,
  macText,
  udpFrame,
} from '../../../../sim/net/packets.ts'

const OWN = '02:00:00:00:00:02'
const everyone = { dst: BROADCAST_MAC, src: CLIENT_MAC }
const request = (sip: string, tip: string, sha = CLIENT_MAC, link = everyone): Uint8Array =>
  arpFrame(link, { op: arp.ARPOP_REQUEST, sha, sip, tip })

describe('arp_rcv', () => {
  test('answers a request for our address, and learns who asked', () => {
    const path = createRouter()
    path.receive(request('10.0.2.9', '10.0.2.1'), 2)
    const { dev, frame } = path.sent[0]!
    expect(dev).toBe(2)
    expect(macText(frame, 0)).toBe(CLIENT_MAC)
    expect(macText(frame, 6)).toBe(OWN)
    expect(arp.operation(frame, 14)).toBe(arp.ARPOP_REPLY)
    expect(macText(frame, 14 + arp.SENDER_MAC)).toBe(OWN)
    expect(arp.senderIp(frame, 14)).toBe(ip('10.0.2.1'))
    expect(macText(frame, 14 + arp.TARGET_MAC)).toBe(CLIENT_MAC)
    expect(arp.targetIp(frame, 14)).toBe(ip('10.0.2.9'))
    expect(path.neighState(2, '10.0.2.9')).toBe(NUD_STALE)
    expect(path.neighMac(2, '10.0.2.9')).toBe(CLIENT_MAC)
    expect(path.isAllReturned()).toBe(true)
  })
  test('answers for an address of another of its devices, as Linux does (arp_ignore 0)', () => {
    const path = createRouter()
    path.receive(request('10.0.2.9', '10.0.3.1'), 2)
    expect(path.sent).toHaveLength(1)
  })
  test('does not answer for others, nor for broadcast addresses, nor learn from it', () => {
    const path = createRouter()
    path.receive(request('10.0.2.9', '10.0.2.8'), 2)
    path.receive(request('10.0.2.9', '10.0.2.255'), 2)
    path.receive(request('10.0.2.9', '224.0.0.1'), 2)
    path.receive(request('10.0.2.9', '127.0.0.1'), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.neighRow(2, '10.0.2.9')).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('answers a probe for our address without learning from it', () => {
    const path = createRouter()
    path.receive(request('0.0.0.0', '10.0.2.1'), 2)
    expect(arp.operation(path.sent[0]!.frame, 14)).toBe(arp.ARPOP_REPLY)
    expect(arp.targetIp(path.sent[0]!.frame, 14)).toBe(0)
    expect(path.neighRow(2, '0.0.0.0')).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('does not learn from an answer that nobody asked for', () => {
    const path = createRouter()
    path.receive(
      arpFrame(toRouter, {
        op: arp.ARPOP_REPLY,
        sha: CLIENT_MAC,
        sip: '10.0.2.9',
        tip: '10.0.2.1',
      }),
      2
    )
    path.receive(request('10.0.2.9', '10.0.2.9'), 2)
    expect(path.neighRow(2, '10.0.2.9')).toBe(0)
    expect(path.isAllReturned()).toBe(true)
  })
  describe('an answer to our question', () => {
    const asked = () => {
      const path = createRouter()
      path.receive(udpFrame(fromServer, { saddr: '10.0.3.9', daddr: '10.0.2.9' }, ports), 3)
      expect(path.neighState(2, '10.0.2.9')).toBe(NUD_INCOMPLETE)
      path.sent.length = 0
      return path
    }
    const ports = { sport: 1, dport: 2 }
    const reply = (link: { dst: string; src: string }, sha = CLIENT_MAC): Uint8Array =>
      arpFrame(link, { op: arp.ARPOP_REPLY, sha, sip: '10.0.2.9', tip: '10.0.2.1' })

    test('to us alone makes its sender reachable', () => {
      const path = asked()
      path.receive(reply(toRouter), 2)
      expect(path.neighState(2, '10.0.2.9')).toBe(NUD_REACHABLE)
      expect(path.sent.map(({ frame }) => macText(frame, 0))).toEqual([CLIENT_MAC])
    })
    test('to all is learned, but proves nothing: stale, and what waited goes', () => {
      const path = asked()
      path.receive(reply(everyone), 2)
      expect(path.neighState(2, '10.0.2.9')).not.toBe(NUD_REACHABLE)
      expect(path.neighMac(2, '10.0.2.9')).toBe(CLIENT_MAC)
      expect(path.sent.map(({ frame }) => macText(frame, 0))).toEqual([CLIENT_MAC])
      expect(path.isAllReturned()).toBe(true)
    })
    test('that names a group address as its own is not believed (RFC 1812 section 3.3.2)', () => {
      for (const sha of [BROADCAST_MAC, '03:bf:0a:00:02:09']) {
        const path = asked()
        path.receive(reply(toRouter, sha), 2)
        path.receive(request('10.0.2.9', '10.0.2.1', sha), 2)
        expect(path.neighState(2, '10.0.2.9')).toBe(NUD_INCOMPLETE)
        expect(path.drops(Drop.ARP_INVALID)).toBe(2)
        expect(path.sent).toEqual([])
      }
    })
  })
  test('an announcement by reply counts as one only when it names its sender twice (arp_is_garp)', () => {
    const other = '02:00:00:00:02:77'
    const garp = (tha: string): Uint8Array =>
      arpFrame(
        { dst: BROADCAST_MAC, src: other },
        { op: arp.ARPOP_REPLY, sha: other, sip: '10.0.2.9', tha, tip: '10.0.2.9' }
      )
    for (const [tha, learned] of [
      [BROADCAST_MAC, CLIENT_MAC],
      [other, other],
    ] as const) {
      const path = createRouter()
      path.receive(request('10.0.2.9', '10.0.2.1'), 2)
      // within locktime: only an announcement overrides
      path.receive(garp(tha), 2)
      expect(path.neighMac(2, '10.0.2.9')).toBe(learned)
    }
  })
  test('does not let a stranger take our own address', () => {
    const path = createRouter()
    path.receive(request('10.0.2.1', '10.0.2.1', '02:00:00:00:66:66'), 2)
    path.receive(request('10.0.3.1', '10.0.2.1', '02:00:00:00:66:66'), 2)
    expect(path.neighRow(2, '10.0.2.1')).toBe(0)
    expect(path.sent).toHaveLength(0)
    // that of another device is a martian here, but no conflict on this link
    expect(path.counter(Softnet.arp_conflicts)).toBe(1)
    path.receive(request('10.0.2.1', '10.0.2.1', OWN), 2)
    expect(path.counter(Softnet.arp_conflicts)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('does not answer who could not send from there, nor learn from it (rp_filter)', () => {
    const path = createRouter()
    path.setConf(2, Conf4.rp_filter, 1)
    path.receive(request('10.0.3.9', '10.0.2.1'), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.neighRow(2, '10.0.3.9')).toBe(0)
    path.receive(request('10.0.2.9', '10.0.2.1'), 2)
    expect(path.sent).toHaveLength(1)
  })
  test('arp_ignore says for which of our addresses requests are answered', () => {
    const answered = (how: number, sip: string, tip: string): boolean => {
      const path = createRouter()
      path.addAddress(2, '10.0.9.1/24')
      path.setConf(2, Conf4.arp_ignore, how)
      path.receive(request(sip, tip), 2)
      return path.sent.length === 1
    }
    const own = ['10.0.2.1', '10.0.9.1', '10.0.3.1']
    const who = (how: number) => own.map((tip) => answered(how, '10.0.2.9', tip))
    expect(who(0)).toEqual([true, true, true])
    expect(who(1)).toEqual([true, true, false])
    expect(who(2)).toEqual([true, false, false])
    expect(who(3)).toEqual([true, true, true])
    expect(who(8)).toEqual([false, false, false])
    // a probe comes from nowhere
    expect(answered(1, '0.0.0.0', '10.0.3.1')).toBe(false)
  })
  test('arp_filter answers only where the way back leads', () => {
    const path = createRouter()
    path.setConf(CONF_ALL, Conf4.arp_filter, 1)
    path.receive(request('10.0.2.9', '10.0.3.1'), 2)
    expect(path.sent).toHaveLength(1)
    path.receive(request('10.0.3.9', '10.0.3.1'), 2)
    expect(path.sent).toHaveLength(1)
  })
  /** Who does not wait before it answers for others. */
  const createPromptRouter = () => {
    const path = createRouter()
    path.setConf(2, Conf4.proxy_delay, 0)
    return path
  }
  test('proxy_arp answers for hosts behind another device, and learns who asked', () => {
    const path = createPromptRouter()
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    expect(path.sent).toHaveLength(0)
    path.setConf(2, Conf4.proxy_arp, 1)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    expect(path.sent.map(({ frame }) => ipText(arp.senderIp(frame, 14)))).toEqual(['192.0.2.7'])
    expect(macText(path.sent[0]!.frame, 14 + arp.SENDER_MAC)).toBe(OWN)
    expect(path.neighState(2, '10.0.2.9')).toBe(NUD_STALE)
    // not for a host of the link itself, nor where nothing is forwarded
    path.receive(request('10.0.2.9', '10.0.2.8'), 2)
    path.setConf(2, Conf4.forwarding, 0)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    expect(path.sent).toHaveLength(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('ip neigh add proxy answers for that host alone, behind another device', () => {
    const path = createPromptRouter()
    for (const host of ['192.0.2.7', '10.0.2.8']) path.addProxy(2, host)
    for (const host of ['192.0.2.6', '10.0.2.8', '192.0.2.7'])
      path.receive(request('10.0.2.9', host), 2)
    expect(path.sent.map(({ frame }) => ipText(arp.senderIp(frame, 14)))).toEqual(['192.0.2.7'])
    expect(path.isAllReturned()).toBe(true)
  })
  test('proxy_arp_pvlan answers for hosts of the link itself, but not for who asks', () => {
    const path = createPromptRouter()
    path.setConf(2, Conf4.proxy_arp_pvlan, 1)
    path.receive(request('10.0.2.9', '10.0.2.8'), 2)
    path.receive(request('10.0.2.9', '10.0.2.9'), 2)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    expect(path.sent.map(({ frame }) => ipText(arp.senderIp(frame, 14)))).toEqual(['10.0.2.8'])
  })
  test('proxy_delay: what is asked of all is answered within that time, and then only once', () => {
    const path = createRouter()
    path.setConf(2, Conf4.proxy_arp, 1)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    expect(path.sent).toHaveLength(0)
    expect(path.first.skbs.budget.smallHeld(Holder.proxy)).toBe(1)
    // who asks is known at once
    expect(path.neighState(2, '10.0.2.9')).toBe(NUD_STALE)
    path.advance(800)
    expect(path.sent.map(({ frame }) => ipText(arp.senderIp(frame, 14)))).toEqual(['192.0.2.7'])
    path.advance(2000)
    expect(path.sent).toHaveLength(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('proxy_delay: neither who asks us alone waits, nor who asks for ourselves', () => {
    const path = createRouter()
    path.setConf(2, Conf4.proxy_arp, 1)
    path.receive(request('10.0.2.9', '192.0.2.7', CLIENT_MAC, { dst: OWN, src: CLIENT_MAC }), 2)
    path.receive(request('10.0.2.9', '10.0.2.1'), 2)
    expect(path.sent.map(({ frame }) => ipText(arp.senderIp(frame, 14)))).toEqual([
      '192.0.2.7',
      '10.0.2.1',
    ])
  })
  test('proxy_delay: what has changed meanwhile counts', () => {
    const path = createRouter()
    path.setConf(2, Conf4.proxy_arp, 1)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    path.setConf(2, Conf4.proxy_arp, 0)
    path.advance(800)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('proxy_qlen: who asks when more wait already is not answered; none is by a device that is down', () => {
    const path = createRouter()
    path.setConf(2, Conf4.proxy_arp, 1)
    path.setConf(2, Conf4.proxy_qlen, 2)
    for (let host = 1; host <= 5; host++) path.receive(request('10.0.2.9', `192.0.2.${host}`), 2)
    expect(path.drops(Drop.NEIGH_QUEUEFULL)).toBe(2)
    path.advance(800)
    expect(path.sent).toHaveLength(3)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    path.control.send(0, Ipi.DEV_DOWN, 2)
    path.settle()
    path.advance(800)
    expect(path.sent).toHaveLength(3)
    expect(path.isAllReturned()).toBe(true)
  })
  test('nor by one that has lost its last address', () => {
    const path = createRouter()
    path.setConf(2, Conf4.proxy_arp, 1)
    path.receive(request('10.0.2.9', '192.0.2.7'), 2)
    path.control.send(0, Ipi.NEIGH_IFDOWN, 2, AF_INET)
    path.settle()
    path.advance(800)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('arp_accept makes entries for who was not asked', () => {
    const learned = (how: number, sip: string): boolean => {
      const path = createRouter()
      path.setConf(2, Conf4.arp_accept, how)
      path.receive(request(sip, sip), 2)
      return path.neighRow(2, sip) !== 0
    }
    expect([0, 1, 2].map((how) => learned(how, '10.0.2.9'))).toEqual([false, true, true])
    expect([0, 1, 2].map((how) => learned(how, '192.0.2.9'))).toEqual([false, true, false])
  })
  test('drop_gratuitous_arp leaves entries as they are', () => {
    const path = createRouter()
    path.receive(request('10.0.2.9', '10.0.2.1'), 2)
    path.setConf(2, Conf4.drop_gratuitous_arp, 1)
    path.receive(request('10.0.2.9', '10.0.2.9', '02:00:00:00:02:77'), 2)
    expect(path.neighMac(2, '10.0.2.9')).toBe(CLIENT_MAC)
  })
  test('arp_announce says who asks: the source, one that the target knows, or the best', () => {
    const asks = (how: number): string => {
      const path = createRouter()
      path.setConf(2, Conf4.arp_announce, how)
      // our answer comes from the address that was asked, by the device that leads back
      const ping = icmpMessage(icmp.ICMP_ECHO, 0, 1, new Uint8Array(8))
      const fields = { saddr: '10.0.2.7', daddr: '10.0.3.1', protocol: 1 }
      path.receive(ipFrame(toRouter, fields, ping), 2)
      return ipText(arp.senderIp(path.sent[0]!.frame, 14))
    }
    expect([0, 1, 2].map(asks)).toEqual(['10.0.3.1', '10.0.2.1', '10.0.2.1'])
  })
  test('does not let a request change a permanent entry', () => {
    const path = createRouter()
    path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
    path.receive(request('10.0.2.9', '10.0.2.1', '02:00:00:00:66:66'), 2)
    expect(path.neighMac(2, '10.0.2.9')).toBe(CLIENT_MAC)
    expect(path.neighState(2, '10.0.2.9')).toBe(NUD_PERMANENT)
  })
  const spoil: [string, (frame: Uint8Array) => void][] = [
    ['another hardware', (f) => (f[15] = 7)],
    ['another protocol', (f) => (f[16] = 9)],
    ['other lengths', (f) => (f[18] = 8)],
    ['an unknown operation', (f) => (f[21] = 9)],
  ]
  for (const [name, change] of spoil) {
    test(`drops ${name}`, () => {
      const path = createRouter()
      const frame = request('10.0.2.9', '10.0.2.1')
      change(frame)
      path.receive(frame, 2)
      expect(path.drops(Drop.ARP_INVALID)).toBe(1)
      expect(path.sent).toHaveLength(0)
      expect(path.isAllReturned()).toBe(true)
    })
  }
  test('drops a frame that is cut short, and one for another station', () => {
    const path = createRouter()
    path.receive(request('10.0.2.9', '10.0.2.1').subarray(0, 40), 2)
    path.receive(
      request('10.0.2.9', '10.0.2.1', CLIENT_MAC, { dst: '02:00:00:00:00:77', src: CLIENT_MAC }),
      2
    )
    expect(path.drops(Drop.ARP_INVALID)).toBe(1)
    expect(path.drops(Drop.OTHERHOST)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('is deaf and dumb on a device without ARP', () => {
    const path = createRouter()
    path.addDevice(2, { flags: IFF_UP | IFF_NOARP })
    path.receive(request('10.0.2.9', '10.0.2.1'), 2)
    path.setConf(2, Conf4.arp_notify, 1)
    path.first.arp.arpNotify(2)
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('announces the addresses of a device to all, where arp_notify asks for it', () => {
    const path = createRouter()
    path.addAddress(2, '10.0.9.1/24')
    path.first.arp.arpNotify(2)
    expect(path.sent).toHaveLength(0)
    path.setConf(CONF_ALL, Conf4.arp_notify, 1)
    path.first.arp.arpNotify(2)
    expect(path.sent.map(({ dev, frame }) => [dev, macText(frame, 0)])).toEqual([
      [2, BROADCAST_MAC],
      [2, BROADCAST_MAC],
    ])
    expect(path.sent.map(({ frame }) => ipText(arp.senderIp(frame, 14)))).toEqual([
      '10.0.2.1',
      '10.0.9.1',
    ])
    expect(path.sent.every(({ frame }) => arp.isGratuitous(frame, 14))).toBe(true)
  })
  test('gives frames that reach another worker to worker 0', () => {
    const path = createRouter({ config: { workers: 2 } })
    const second = path.workers[1]!
    second.receive(second.frameSkb(request('10.0.2.9', '10.0.2.1'), 2))
    expect(path.counter(Softnet.steered)).toBe(1)
    expect(path.sent).toHaveLength(0)
    path.settle()
    expect(path.sent.map(({ worker }) => worker)).toEqual([0])
    expect(path.isAllReturned()).toBe(true)
  })
})
