// Trying addresses: what is asked, when an address is ours, and what makes it nobody's (core/ipv6/ndisc/dad.ts), on one CPU 0 and
// between two hosts.

import { describe, expect, test } from 'bun:test'
import {
  IFA_F_OPTIMISTIC,
  IFA_F_TENTATIVE,
  IFA_FLAGS,
  IFA_SERIAL,
} from '../../../../core/inet/addr/ifaddr-constants.ts'
import { IFF_NOARP, IFF_UP } from '../../../../core/netdev/netdev.ts'
import { Softnet } from '../../../../core/shm/counters.ts'
import { Conf6 } from '../../../../core/shm/devconf.ts'
import { Addrconf, Ipi } from '../../../../core/shm/ipi.ts'
import { IFADDR_WORDS } from '../../../../core/shm/layout.ts'
import { FL_SADDR } from '../../../../core/base/flowi.ts'
import { formatIpv6 } from '../../../../core/wire/text.ts'
import { IPPROTO_HOPOPTS } from '../../../../core/wire/ipproto.ts'
import { NA_OVERRIDE } from '../../../../core/wire/ndisc.ts'
import {
  llOption,
  NA,
  type NdFields,
  ndFrame,
  NS,
  readNd,
  SLLA,
  solicitedNode,
  TLLA,
} from '../../../support/ndisc.ts'
import { readIp6 } from '../../../../sim/net/packets6.ts'
import {
  CLIENT_MAC,
  createPathHost,
  type PathHost,
  toRouter,
} from '../../../../sim/net/path-host.ts'

const OWN = '2001:db8:2::1'
const HOST = '2001:db8:2::9'
const NONCE = 14

const host = () => {
  const path = createPathHost()
  path.addDevice(2)
  path.addAddress(2, 'fe80::1/64')
  path.settle()
  path.advance(3000)
  path.sent.length = 0
  const { i32, layout } = path.arena
  const told: number[][] = []
  path.control.on(Ipi.ADDRCONF, (_from, what, row, serial) => void told.push([what, row, serial]))
  const row = layout.ifaddrs + 2 * IFADDR_WORDS
  const tell = (what: number): number[] => [what, row, i32[row + IFA_SERIAL]!]
  const asked = () =>
    path.sent
      .filter(({ frame }) => readIp6(frame).next !== IPPROTO_HOPOPTS)
      .map(({ frame }) => readNd(frame))
  /** Tries OWN: the first question is out in a second. */
  const begin = (flags = 0) => {
    path.addAddress(2, `${OWN}/64`, flags)
    path.advance(1001)
  }
  const probe = (over: Partial<NdFields> = {}): Uint8Array =>
    ndFrame({ src: CLIENT_MAC, saddr: '::', type: NS, target: OWN, ...solicitedNode(OWN), ...over })
  return { path, told, tell, asked, begin, probe, flags: () => i32[row + IFA_FLAGS]! }
}

/** The address that is chosen for what goes to HOST. */
const sourceFor = (path: PathHost): string => {
  const fl = path.flow('::', HOST)
  expect(path.first.routeOutput(fl)).toBe(0)
  return formatIpv6(fl[FL_SADDR]!, fl[FL_SADDR + 1]!, fl[FL_SADDR + 2]!, fl[FL_SADDR + 3]!)
}

describe('an address', () => {
  test('is asked for as nobody, with a nonce, and is ours a second later when nobody answers', () => {
    const { path, told, tell, asked, begin } = host()
    begin()
    expect(asked()).toMatchObject([
      { saddr: '::', daddr: solicitedNode(OWN).daddr, type: NS, target: OWN, hops: 255 },
    ])
    expect(asked()[0]!.option[0]).toBe(NONCE)
    expect(told).toEqual([])
    path.advance(1000)
    expect(told).toEqual([tell(Addrconf.DAD_COMPLETED)])
    // control has not written it: it is told again
    path.advance(1000)
    expect(told).toHaveLength(2)
    expect(asked()).toHaveLength(1)
    expect(path.isAllReturned()).toBe(true)
  })
  test('is asked for as often as dad_transmits says, and without a nonce where enhanced_dad is off', () => {
    const { path, told, asked, begin } = host()
    path.setConf(2, Conf6.dad_transmits, 3)
    for (const row of [0, 2]) path.setConf(row, Conf6.enhanced_dad, 0)
    begin()
    path.advance(1000)
    expect(told).toEqual([])
    path.advance(2000)
    expect(asked().map(({ option }) => option)).toEqual([[], [], []])
    expect(told).toHaveLength(1)
  })
  test('that is tried answers nobody, and nothing is sent from it', () => {
    const { path, asked, begin, probe } = host()
    begin()
    path.sent.length = 0
    path.receive(probe({ saddr: HOST, options: llOption(SLLA, CLIENT_MAC) }), 2)
    expect(asked()).toEqual([])
    expect(sourceFor(path)).toBe('fe80::1')
  })
  test.each<[string, Partial<NdFields>]>([
    ['another asks for it', {}],
    ['another has it', { type: NA, flags: NA_OVERRIDE, saddr: OWN, daddr: 'ff02::1' }],
  ])('is nobody’s when %s', (_, over) => {
    const { path, told, tell, begin, probe } = host()
    begin()
    const options = over.type === NA ? llOption(TLLA, CLIENT_MAC) : []
    path.receive(probe({ ...over, options }), 2)
    expect(told).toEqual([tell(Addrconf.DAD_FAILED)])
    expect(path.counter(Softnet.ndisc_conflicts)).toBe(over.type === NA ? 1 : 0)
    path.advance(5000)
    expect(told.every(([what]) => what === Addrconf.DAD_FAILED)).toBe(true)
  })
  test('is still ours when the link sends our own question back', () => {
    const { path, told, begin } = host()
    begin()
    const question = path.sent.find(({ frame }) => readIp6(frame).next !== IPPROTO_HOPOPTS)!
    path.receive(question.frame, 2)
    expect(told).toEqual([])
  })
  test('of a device without a carrier waits for one', () => {
    const { path, told, asked } = host()
    path.addDevice(2, { flags: 0 })
    path.addAddress(2, `${OWN}/64`, 0)
    path.advance(10_000)
    expect([asked(), told]).toEqual([[], []])
    path.addDevice(2)
    path.advance(2001)
    expect(told).toHaveLength(1)
  })
  test('of a device without neighbours is ours at once', () => {
    const { path, flags } = host()
    path.addDevice(2, { flags: IFF_UP | IFF_NOARP })
    path.addAddress(2, `${OWN}/64`, 0)
    expect(flags() & IFA_F_TENTATIVE).toBe(0)
  })
})

describe('an optimistic address (RFC 4429)', () => {
  const optimistic = () => {
    const made = host()
    made.path.setConf(2, Conf6.optimistic_dad, 1)
    made.path.setConf(2, Conf6.forwarding, 0)
    made.begin(IFA_F_OPTIMISTIC)
    return made
  }
  test('is used while it is tried, and answers without overriding', () => {
    const { path, asked, probe } = optimistic()
    path.sent.length = 0
    path.receive(probe({ saddr: HOST, options: llOption(SLLA, CLIENT_MAC) }), 2)
    expect(asked()).toMatchObject([{ type: NA, saddr: OWN }])
    expect(asked()[0]!.flags & NA_OVERRIDE).toBe(0)
    expect(sourceFor(path)).toBe(OWN)
  })
  test('of a router is not used', () => {
    const { path, begin, flags } = host()
    path.setConf(2, Conf6.optimistic_dad, 1)
    begin(IFA_F_OPTIMISTIC)
    expect(flags() & IFA_F_OPTIMISTIC).toBe(0)
  })
  test('is nobody’s too when another asks for it', () => {
    const { path, told, tell, probe } = optimistic()
    path.receive(probe({ src: toRouter.src }), 2)
    expect(told).toEqual([tell(Addrconf.DAD_FAILED)])
  })
})
