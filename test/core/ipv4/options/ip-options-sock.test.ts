// IP_OPTIONS: what a socket asks for is in front of its datagrams, with our address and time where they are asked for, and by
// the way that is named.

import { describe, expect, test } from 'bun:test'
import { AF_INET } from '../../../../core/base/family.ts'
import { Errno } from '../../../../core/base/errno.ts'
import { Mib } from '../../../../core/shm/counters.ts'
import { SOCK_DGRAM } from '../../../../core/socket/sock.ts'
import { IP_OPTIONS, IPPROTO_IP } from '../../../../core/socket/socket-constants.ts'
import { IPPROTO_UDP } from '../../../../core/wire/ipproto.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import * as udp from '../../../../core/wire/udp.ts'
import { ip, ipText, pseudo, v4Words } from '../../../../sim/net/packets.ts'
import { createRouter, SERVER_MAC } from '../../../../sim/net/path-host.ts'

const PEER = '10.0.3.9'
const host = () => {
  const path = createRouter()
  path.setNeigh(3, PEER, SERVER_MAC)
  path.setNeigh(3, '10.0.3.8', SERVER_MAC)
  const { sockets, udp: udpSock } = path.first
  const sk = sockets.socket(AF_INET, SOCK_DGRAM, 0)
  const set = (octets: number[], of = sk): number => {
    const words = new Int32Array(16)
    new Uint8Array(words.buffer).set(octets)
    return sockets.setsockoptName(of, IPPROTO_IP, IP_OPTIONS, words, 0, octets.length)
  }
  const get = (): number[] => {
    const words = new Int32Array(16)
    const len = sockets.getsockoptName(sk, IPPROTO_IP, IP_OPTIONS, words, 0)
    return [...new Uint8Array(words.buffer, 0, len)]
  }
  /** A datagram of `size` octets to PEER: the frames that it made. */
  const send = (size = 5): Uint8Array[] => {
    path.sent.length = 0
    expect(udpSock.sendtoBytes(sk, new Uint8Array(size), 0, size, ...v4Words(ip(PEER)), 9)).toBe(
      size
    )
    return path.sent.map(({ frame }) => {
      expect(ipv4.isChecksumOk(frame, 14)).toBe(true)
      return frame
    })
  }
  const optionsOf = (frame: Uint8Array): number[] => [
    ...frame.subarray(34, 14 + ipv4.headerLen(frame, 14)),
  ]
  return { path, sockets, udpSock, sk, set, get, send, optionsOf }
}

describe('IP_OPTIONS', () => {
  test('are in front of a datagram, which stays whole, and are taken off again', () => {
    const { path, set, get, send, optionsOf } = host()
    // a router alert, padded
    expect(set([148, 4, 0, 0, 1])).toBe(0)
    expect(get()).toEqual([148, 4, 0, 0, 1, 0, 0, 0])
    const [frame] = send()
    expect(optionsOf(frame!)).toEqual([148, 4, 0, 0, 1, 0, 0, 0])
    const at = 14 + ipv4.headerLen(frame!, 14)
    expect(udp.isChecksumOk(frame!, at, pseudo('10.0.3.1', PEER, IPPROTO_UDP, 13))).toBe(true)
    expect(ipv4.totalLength(frame!, 14)).toBe(28 + 13)
    expect(set([])).toBe(0)
    expect(get()).toEqual([])
    expect(optionsOf(send()[0]!)).toEqual([])
    expect(path.isAllReturned()).toBe(true)
  })
  test('a route is begun with our address, and a timestamp with our time (RFC 1122 section 3.2.1.8 e)', () => {
    const { path, set, send, optionsOf } = host()
    const zeroes = (n: number): number[] => Array(n).fill(0)
    expect(set([1, 7, 7, 4, ...zeroes(4), 68, 12, 5, 1, ...zeroes(8)])).toBe(0)
    const options = optionsOf(send()[0]!)
    expect(options.slice(0, 16)).toEqual([1, 7, 7, 8, 10, 0, 3, 1, 68, 12, 13, 1, 10, 0, 3, 1])
    expect(options[16]! & 0x80).toBe(0x80)
    // every datagram begins anew
    expect(optionsOf(send()[0]!).slice(0, 16)).toEqual(options.slice(0, 16))
    expect(path.isAllReturned()).toBe(true)
  })
  test('a source route leads by its first hop to the others, and to whom the datagram is for', () => {
    const { path, set, send, optionsOf } = host()
    expect(set([131, 11, 4, 10, 0, 3, 8, 10, 5, 5, 5])).toBe(0)
    const [frame] = send()
    expect(ipText(ipv4.dst(frame!, 14))).toBe('10.0.3.8')
    expect(optionsOf(frame!)).toEqual([131, 11, 4, 10, 5, 5, 5, 10, 0, 3, 9, 0])
    const at = 14 + ipv4.headerLen(frame!, 14)
    expect(udp.isChecksumOk(frame!, at, pseudo('10.0.3.1', PEER, IPPROTO_UDP, 13))).toBe(true)
    expect(path.isAllReturned()).toBe(true)
  })
  test('a strict source route leads to nobody behind a router', () => {
    const { path, sk, udpSock, set, send } = host()
    expect(set([137, 7, 4, 10, 0, 3, 8])).toBe(0)
    expect(ipText(ipv4.dst(send()[0]!, 14))).toBe('10.0.3.8')
    expect(set([137, 7, 4, 10, 5, 5, 5])).toBe(0)
    path.sent.length = 0
    const one = new Uint8Array(1)
    expect(udpSock.sendtoBytes(sk, one, 0, 1, ...v4Words(ip(PEER)), 9)).toBe(-Errno.ENETUNREACH)
    expect(path.sent).toEqual([])
    expect(path.counter(Mib.IpOutNoRoutes)).toBe(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('a datagram too big for its way is cut, with those in every fragment that are to be copied', () => {
    const { path, set, send, optionsOf } = host()
    expect(set([148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0])).toBe(0)
    const frames = send(2000)
    expect(frames.map((frame) => frame.length <= 1514)).toEqual([true, true])
    const [first, second] = frames.map(optionsOf)
    expect(first!.slice(0, 12)).toEqual([148, 4, 0, 0, 7, 7, 8, 10, 0, 3, 1, 0])
    expect(second).toEqual([148, 4, 0, 0, ...Array(7).fill(1), 0])
    expect(path.isAllReturned()).toBe(true)
  })
  test('what pads them belongs to the last', () => {
    const { set, get } = host()
    expect(set([148, 4])).toBe(0)
    expect(get()).toEqual([148, 4, 0, 0])
  })
  test.each([
    ['a length beyond them', [7, 9, 4, 0]],
    ['no length', [1, 1, 1, 7]],
    ['a pointer into the middle of a slot', [7, 7, 6, 0, 0, 0, 0]],
    ['a timestamp without room for address and time', [68, 8, 5, 1, 0, 0, 0, 0]],
    ['a source route that has begun', [131, 7, 8, 10, 0, 3, 8]],
    ['two source routes', [131, 7, 4, 10, 0, 3, 8, 137, 7, 4, 10, 0, 3, 8]],
    ['more than a header holds', Array(41).fill(1)],
  ])('%s is refused, and the old ones stay', (_, octets) => {
    const { set, get } = host()
    set([148, 4, 0, 0])
    expect(set(octets)).toBe(-Errno.EINVAL)
    expect(get()).toEqual([148, 4, 0, 0])
  })
  test('go with their socket', () => {
    const { sockets, sk, set } = host()
    set([148, 4, 0, 0])
    sockets.close(sk)
    const next = sockets.socket(AF_INET, SOCK_DGRAM, 0)
    const words = new Int32Array(16)
    expect(next).toBe(sk)
    expect(sockets.getsockoptName(next, IPPROTO_IP, IP_OPTIONS, words, 0)).toBe(0)
  })
})
