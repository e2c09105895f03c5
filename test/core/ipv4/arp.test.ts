import { describe, expect, test } from 'bun:test'
import { IFF_NOARP, IFF_UP } from '../../../core/netdev/netdev.ts'
import {
  NUD_INCOMPLETE,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../../core/neigh/neigh-constants.ts'
import { Softnet } from '../../../core/shm/counters.ts'
import { Drop } from '../../../core/skb/drop.ts'
import * as arp from '../../../core/wire/arp.ts'
import { createRouter, CLIENT_MAC, fromServer, toRouter } from '../../support/path-host.ts'
import { arpFrame, BROADCAST_MAC, ip, macText, udpFrame } from '../../support/packets.ts'

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
    test('that names a group address as its own is believed, as in Linux (clusters do so)', () => {
      for (const sha of [BROADCAST_MAC, '03:bf:0a:00:02:09']) {
        const path = asked()
        path.receive(reply(toRouter, sha), 2)
        expect(path.neighMac(2, '10.0.2.9')).toBe(sha)
        expect(path.sent.map(({ frame }) => macText(frame, 0))).toEqual([sha])
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
    expect(path.drops(Drop.ARP_INVALID)).toBe(2)
    expect(path.isAllReturned()).toBe(true)
  })
  test('does not let a request change a permanent entry', () => {
    const path = createRouter()
    path.setNeigh(2, '10.0.2.9', CLIENT_MAC)
    path.receive(request('10.0.2.9', '10.0.2.1', '02:00:00:00:66:66'), 2)
    expect(path.neighMac(2, '10.0.2.9')).toBe(CLIENT_MAC)
    expect(path.neighState(2, '10.0.2.9')).toBe(NUD_PERMANENT)
  })
  const spoil: [string, (frame: Uint8Array) => void][] = [
    ['another hardware', (f) => (f[15] = 6)],
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
    path.first.arp.arpAnnounce(2, ip('10.0.2.1'))
    expect(path.sent).toHaveLength(0)
    expect(path.isAllReturned()).toBe(true)
  })
  test('announces an address to all', () => {
    const path = createRouter()
    path.first.arp.arpAnnounce(2, ip('10.0.2.1'))
    const { frame } = path.sent[0]!
    expect(macText(frame, 0)).toBe(BROADCAST_MAC)
    expect(arp.isGratuitous(frame, 14)).toBe(true)
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
