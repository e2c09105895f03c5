import { describe, expect, test } from 'bun:test'
import {
  FL_F_SRC_PUBLIC,
  FL_F_SRC_TMP,
  FL_FLAGS,
  FL_OIF,
  FL_SADDR,
} from '../../../../core/base/flowi.ts'
import {
  IFA_F_DEPRECATED,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  IFA_FLAGS,
  IFA_TOP,
} from '../../../../core/inet/addr/ifaddr-constants.ts'
import { IFADDR_WORDS } from '../../../../core/shm/layout.ts'
import { formatIpv6 } from '../../../../core/wire/text.ts'
import { Conf6 } from '../../../../core/shm/devconf.ts'
import { createPathHost } from '../../../../sim/net/path-host.ts'

type Address = [dev: number, cidr: string, flags?: number]

/** The source that a packet to `daddr` gets on a host with such addresses on devices 2 and 3; null when there is none. */
const sourceOf = (
  addresses: Address[],
  daddr: string,
  oif = 0,
  useTempaddr = 0,
  flags = 0
): string | null => {
  const path = createPathHost()
  const { i32, layout } = path.arena
  for (const dev of [2, 3]) path.addDevice(dev)
  path.setConf(2, Conf6.use_tempaddr, useTempaddr)
  for (const [dev, cidr, flags = 0] of addresses) {
    path.addAddress(dev, cidr)
    const last = i32[layout.ifaddrs + IFA_TOP]! - 1
    i32[layout.ifaddrs + last * IFADDR_WORDS + IFA_FLAGS]! |= flags
  }
  path.addRoute('::/0', 2)
  const fl = path.flow('::', daddr)
  fl[FL_OIF] = oif
  fl[FL_FLAGS] = flags
  if (path.first.routeOutput(fl) !== 0) return null
  const [a, b, c, d] = fl.subarray(FL_SADDR, FL_SADDR + 4)
  return formatIpv6(a!, b!, c!, d!)
}

describe('the source of an IPv6 packet (RFC 6724 section 5)', () => {
  test.each<[rule: string, addresses: Address[], daddr: string, source: string]>([
    [
      '1: the same address',
      [
        [2, '2001:db8:1::1/64'],
        [2, '2001:db8:2::1/64'],
      ],
      '2001:db8:1::1',
      '2001:db8:1::1',
    ],
    [
      '2: a scope that is large enough',
      [
        [2, 'fe80::1/64'],
        [2, '2001:db8:3::1/64'],
      ],
      '2001:db8:1::9',
      '2001:db8:3::1',
    ],
    [
      '2: the smallest of them',
      [
        [2, '2001:db8:3::1/64'],
        [2, 'fe80::1/64'],
      ],
      'ff02::9',
      'fe80::1',
    ],
    [
      "2: the site's for a group of the site",
      [
        [2, 'fe80::1/64'],
        [2, 'fec0::1/64'],
        [2, '2001:db8::1/64'],
      ],
      'ff05::9',
      'fec0::1',
    ],
    [
      '3: not a deprecated one',
      [
        [2, '2001:db8:1::1/64', IFA_F_DEPRECATED],
        [2, '2001:db8:9::1/64'],
      ],
      '2001:db8:1::9',
      '2001:db8:9::1',
    ],
    [
      '5: of the outgoing interface',
      [
        [3, '2001:db8:7::1/64'],
        [2, '2001:db8:9::1/64'],
      ],
      '2001:db8:7:1::9',
      '2001:db8:9::1',
    ],
    [
      '6: 6to4 to 6to4',
      [
        [2, '2001:db8:1::2/64'],
        [2, '2002:c633:6401::d5e3/64'],
      ],
      '2002:c633:6401::1:1',
      '2002:c633:6401::d5e3',
    ],
    [
      '6: unique local to unique local',
      [
        [2, 'fd00:1::1/64'],
        [2, '2001:db8:1::2/64'],
      ],
      'fd00:9::1',
      'fd00:1::1',
    ],
    [
      '6: not from it to the world',
      [
        [2, '2001:db8:1::2/64'],
        [2, 'fd00:1::1/64'],
      ],
      '2001:db8:5::1',
      '2001:db8:1::2',
    ],
    [
      '7: a lasting one',
      [
        [2, '2001:db8:1::1/64', IFA_F_TEMPORARY],
        [2, '2001:db8:9::1/64'],
      ],
      '2001:db8:1:5::9',
      '2001:db8:9::1',
    ],
    [
      '8: the longest prefix in common',
      [
        [2, '2001:db8:3::2/64'],
        [2, '2001:db8:1::2/64'],
      ],
      '2001:db8:3:9::9',
      '2001:db8:3::2',
    ],
    [
      'of equals the newest',
      [
        [2, '2001:db8:1::8/64'],
        [2, '2001:db8:1::1/64'],
      ],
      '2001:db8:1::9',
      '2001:db8:1::1',
    ],
  ])('rule %s', (_rule, addresses, daddr, source) => {
    expect(sourceOf(addresses, daddr)).toBe(source)
  })

  test('an address that may be another’s is not used yet', () => {
    expect(sourceOf([[2, '2001:db8:1::1/64', IFA_F_TENTATIVE]], '2001:db8:5::1')).toBe(null)
  })
  test('what stays on a link gets no address of another', () => {
    const addresses: Address[] = [
      [2, 'fe80::1/64'],
      [3, 'fe80::2/64'],
    ]
    expect(sourceOf(addresses, 'fe80::9', 3)).toBe('fe80::2')
    expect(sourceOf([[2, '2001:db8:1::1/64']], 'ff02::9', 3)).toBe(null)
  })
})

test('rule 7: a temporary address goes before one that stays where use_tempaddr of its device is 2', () => {
  const addresses: Address[] = [
    [2, '2001:db8:1::1/64', IFA_F_TEMPORARY],
    [2, '2001:db8:9::1/64'],
  ]
  const with7 = (value: number) => sourceOf(addresses, '2001:db8:9:5::9', 0, value)
  expect([1, 2].map(with7)).toEqual(['2001:db8:9::1', '2001:db8:1::1'])
})

test('rule 7: what the sender prefers goes before what the device does (RFC 5014)', () => {
  const addresses: Address[] = [
    [2, '2001:db8:1::1/64', IFA_F_TEMPORARY],
    [2, '2001:db8:9::1/64'],
  ]
  const prefer = (flags: number) =>
    [1, 2].map((value) => sourceOf(addresses, '2001:db8:9:5::9', 0, value, flags))
  expect(prefer(FL_F_SRC_TMP)).toEqual(['2001:db8:1::1', '2001:db8:1::1'])
  expect(prefer(FL_F_SRC_PUBLIC)).toEqual(['2001:db8:9::1', '2001:db8:9::1'])
})

test('IPv6 leaves by no device that no route leads by', () => {
  const addresses: Address[] = [
    [2, '2001:db8:1::1/64'],
    [3, '2001:db8:2::1/64'],
  ]
  expect(sourceOf(addresses, '2001:db8:1::9', 3)).toBe(null)
})
