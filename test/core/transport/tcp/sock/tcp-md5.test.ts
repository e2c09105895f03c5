// Signed segments (RFC 2385): two ends with a key, with another or with none, and what an outsider may say.

import { describe, expect, test } from 'bun:test'
import { IPPROTO_TCP } from '../../../../../core/wire/ipproto.ts'
import { TCP_MD5SIG } from '../../../../../core/socket/socket-constants.ts'
import { SK_STATE, TCP_ESTABLISHED, TCP_SYN_SENT } from '../../../../../core/socket/sock.ts'
import { MD5SIG_KEY, MD5SIG_PREFIX } from '../../../../../core/transport/tcp/sock/tcp-md5.ts'
import * as tcp from '../../../../../core/wire/tcp.ts'
import { AF_INET } from '../../../../../core/base/family.ts'
import * as ipv4 from '../../../../../core/wire/ipv4.ts'
import { address, FAMILIES, NO_LEAKS, tcpAt, type TcpHost } from '../../../../support/tcp-host.ts'
import { createTcpPair, startTransfer } from '../../../../support/tcp-pair.ts'
import { createTcpScript } from '../../../../support/tcp-script.ts'

const ENOENT = 2
const EINVAL = 22
const ALL_BITS = -1

/** TCP_MD5SIG for a peer; an empty key takes it away. */
const setKey = (host: TcpHost, sk: number, peer: Int32Array, key: string, prefix = ALL_BITS) => {
  const octets = new TextEncoder().encode(key)
  const words = new Int32Array(MD5SIG_KEY + 21)
  words.set(peer)
  words[MD5SIG_PREFIX] = prefix
  new Uint8Array(words.buffer).set(octets, MD5SIG_KEY * 4)
  const len = MD5SIG_KEY * 4 + octets.length
  return host.sockets.setsockoptName(sk, IPPROTO_TCP, TCP_MD5SIG, words, 0, len)
}

/** Two hosts, whose client and listener have a key each. */
const pairOf = (family: number, ours: string, theirs: string, wire = {}) => {
  const lengths: number[] = []
  const pair = createTcpPair({
    family,
    ...wire,
    filter: ({ bytes }) => {
      lengths.push(tcp.headerLen(bytes, tcpAt(family)))
      return true
    },
  })
  const { a, b } = pair
  let child = 0
  const listener = b.serve(80, (sk) => {
    child = sk
  })
  if (theirs !== '') expect(setKey(b, listener, a.address, theirs)).toBe(0)
  const sk = a.tcp.open(family)
  if (ours !== '') expect(setKey(a, sk, b.address, ours)).toBe(0)
  a.tcp.connect(sk, b.address, 0, 80)
  pair.run(5000, () => child !== 0)
  const finish = (): void => {
    a.tcp.abort(sk)
    a.tcp.close(sk)
    if (child !== 0) {
      b.tcp.abort(child)
      b.tcp.close(child)
    }
    b.tcp.close(listener)
    pair.run(200_000)
    expect(a.leaks()).toEqual(NO_LEAKS)
    expect(b.leaks()).toEqual(NO_LEAKS)
    expect([a.tcp.md5Keys(), b.tcp.md5Keys()]).toEqual([0, 0])
  }
  return { pair, a, b, sk, listener, child: () => child, lengths, finish }
}

describe.each(FAMILIES)('%s', (_, family) => {
  test.each([
    ['a clean path', {}],
    ['one that loses and reorders', { loss: 0.05, reorder: 0.1, seed: 7 }],
  ])('both have the key: every segment is signed, over %s', (_path, wire) => {
    const { pair, a, b, sk, child, lengths, finish } = pairOf(family, 'secret', 'secret', wire)
    expect(a.i32[sk + SK_STATE]).toBe(TCP_ESTABLISHED)
    const transfer = startTransfer(a, sk, b, child(), 200_000)
    a.handlers.set(sk, () => transfer.send())
    b.handlers.set(child(), () => transfer.receive())
    transfer.send()
    expect(pair.run(120_000, transfer.done)).toBe(true)
    expect([transfer.state.wrong, transfer.state.error]).toEqual([0, 0])
    // the fixed header and the signature at least
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(40)
    for (const host of [a, b]) {
      expect(host.mib('TcpExtTCPMD5Failure')).toBe(0)
      expect(host.mib('TcpExtTCPMD5NotFound')).toBe(0)
      expect(host.mib('TcpExtTCPMD5Unexpected')).toBe(0)
    }
    finish()
  })
  test.each([
    ['another', 'secret', 'Secret', 'TcpExtTCPMD5Failure', 'TCP_MD5FAILURE'],
    ['none', '', 'secret', 'TcpExtTCPMD5NotFound', 'TCP_MD5NOTFOUND'],
    ['one that the listener has not', 'secret', '', 'TcpExtTCPMD5Unexpected', 'TCP_MD5UNEXPECTED'],
  ] as const)('a client with %s gets no answer', (_key, ours, theirs, mib, reason) => {
    const { a, b, sk, child, finish } = pairOf(family, ours, theirs)
    expect(a.i32[sk + SK_STATE]).toBe(TCP_SYN_SENT)
    expect(child()).toBe(0)
    expect(b.mib(mib)).toBeGreaterThan(1)
    expect(b.drops(reason)).toBe(b.mib(mib))
    expect(b.mib('TcpOutSegs')).toBe(0)
    finish()
  })
  test('the ends of a signed connection are signed, and its resets', () => {
    const { pair, a, b, sk, child, finish } = pairOf(family, 'secret', 'secret')
    b.tcp.abort(child())
    pair.run(100)
    expect(a.tcp.recvBytes(sk, new Uint8Array(1), 0, 1)).toBe(-104)
    expect(a.mib('TcpExtTCPMD5NotFound')).toBe(0)
    finish()
  })
  test('an outsider without the key resets nothing, and is not answered', () => {
    const script = createTcpScript(family)
    const { host, inject, sent, pass } = script
    const listener = host.serve(80, () => {})
    setKey(host, listener, address(family, 2), 'secret')
    inject('S 0:0(0) win 65535', { mss: 1460 })
    inject('. 1:1(0) ack 1 win 65535')
    inject('R 1:1(0)')
    expect(sent()).toEqual([])
    expect(host.mib('TcpExtTCPMD5NotFound')).toBe(3)
    host.tcp.close(listener)
    pass(1000)
    expect(host.leaks()).toEqual(NO_LEAKS)
  })
  test('of several prefixes the longest has the key; one is taken away by an empty key', () => {
    const script = createTcpScript(family)
    const { host, inject, sent, pass } = script
    const peer = address(family, 2)
    const listener = host.serve(80, () => {})
    expect(setKey(host, listener, peer, '', 8)).toBe(-ENOENT)
    expect(setKey(host, listener, peer, 'wide', 8)).toBe(0)
    expect(setKey(host, listener, peer, 'narrow', 16)).toBe(0)
    expect(host.tcp.md5Keys()).toBe(2)
    expect(setKey(host, listener, peer, 'other', 16)).toBe(0)
    expect(host.tcp.md5Keys()).toBe(2)
    inject('S 0:0(0) win 65535', { mss: 1460 })
    expect(host.mib('TcpExtTCPMD5NotFound')).toBe(1)
    expect(setKey(host, listener, peer, '', 16)).toBe(0)
    expect(setKey(host, listener, peer, '', 8)).toBe(0)
    inject('S 0:0(0) win 65535', { mss: 1460 })
    expect(sent()).toHaveLength(1)
    host.tcp.close(listener)
    pass(1000)
    expect(host.leaks()).toEqual(NO_LEAKS)
    expect(host.tcp.md5Keys()).toBe(0)
  })
  test('what is no key is refused', () => {
    const script = createTcpScript(family)
    const { host } = script
    const sk = host.tcp.open(family)
    const peer = address(family, 2)
    const bits = family === AF_INET ? 32 : 128
    expect(setKey(host, sk, peer, 'x'.repeat(80))).toBe(0)
    expect(setKey(host, sk, peer, 'x'.repeat(81))).toBe(-EINVAL)
    expect(setKey(host, sk, peer, 'x', bits + 1)).toBe(-EINVAL)
    expect(setKey(host, sk, peer, 'x', -2)).toBe(-EINVAL)
    if (family === AF_INET)
      expect(setKey(host, sk, Int32Array.of(0xfd000000 | 0, 0, 0, 1), 'x')).toBe(-EINVAL)
    host.tcp.close(sk)
    expect(host.tcp.md5Keys()).toBe(0)
  })
})

test('the digest is of the pseudo header, the fixed header, the text and the key', () => {
  const seen: Uint8Array[] = []
  const { a, sk, finish } = (() => {
    const pair = createTcpPair({
      family: AF_INET,
      filter: ({ bytes }) => {
        seen.push(bytes.slice())
        return true
      },
    })
    const client = pair.a.tcp.open(AF_INET)
    setKey(pair.a, client, pair.b.address, 'secret')
    pair.a.tcp.connect(client, pair.b.address, 0, 80)
    pair.run(10)
    return { a: pair.a, sk: client, finish: () => pair.a.tcp.close(client) }
  })()
  const [syn] = seen
  const at = tcpAt(AF_INET)
  const len = syn!.length - at
  const head = syn!.slice(at, at + 20)
  head.fill(0, 16, 18)
  const wanted = new Bun.CryptoHasher('md5')
    .update(syn!.slice(ipv4.ADDRS, ipv4.ADDRS + 8))
    .update(Uint8Array.of(0, 6, len >> 8, len & 255))
    .update(head)
    .update('secret')
    .digest('hex')
  // NOP NOP 19 18, then the digest
  expect([...syn!.slice(at + 20, at + 24)]).toEqual([1, 1, 19, 18])
  expect(Buffer.from(syn!.slice(at + 24, at + 40)).toString('hex')).toBe(wanted)
  expect(a.i32[sk + SK_STATE]).toBe(TCP_SYN_SENT)
  finish()
})
