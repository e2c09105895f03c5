// The same lines of ip to the kernel and to softnet: routes and rules come out alike, random lookups are answered alike, and
// what is wrong is refused in the same words.

import { beforeAll, expect, test } from 'bun:test'
import { seeded } from '../support/random.ts'
import { createBeside, type Said } from './support/beside.ts'
import { describeE2e } from './support/inside.ts'

const DEVICES = ['va', 'vb', 'vc']
const LINKS = DEVICES.flatMap((dev) => [
  `link add ${dev} type veth peer name ${dev}p`,
  `link set ${dev} up`,
  `link set ${dev}p up`,
])
const LINES = `
addr add 10.0.0.1/24 dev va
addr add fd00:0::1/64 dev va nodad
addr add fd00:1::1/64 dev vb nodad
addr add 10.0.1.1/24 dev vb
addr add 10.0.2.1/24 dev vc
route add default via 10.0.0.254
route add 10.1.0.0/16 via 10.0.1.254 metric 10
route add 10.1.0.0/16 via 10.0.2.254 metric 20
route add 10.1.2.0/24 via 10.0.2.254 src 10.0.1.1 mtu 1400
route add blackhole 10.2.0.0/16
route add unreachable 10.3.0.0/16
route add prohibit 10.4.0.0/16
route add throw 10.5.0.0/16
route add default via 10.0.1.254 table 100
route add 10.1.0.0/16 dev vc table 100
route add throw 10.1.3.0/24 table 100
route add 10.6.0.0/16 via 10.0.2.254 table 200 proto static
route add local 10.7.0.0/24 dev lo
route add default via 10.0.2.254 table 253
route add 10.11.0.0/16 via inet6 fd00:1::9 dev vb
-6 route add default via fd00::fe
-6 route add 2001:db8::/32 via fd00:1::fe metric 5
-6 route add 2001:db8:1::/48 dev vb mtu 1400
-6 route add unreachable 2001:db8:2::/48
-6 route add prohibit 2001:db8:3::/48
-6 route add default via fd00:1::fe table 100
-6 rule add fwmark 1 table 100
-6 rule add to 2001:db8:4::/48 prohibit
rule add fwmark 1 table 100
rule add fwmark 0x10/0xf0 table 200
rule add from 10.0.1.0/24 table 100 priority 500
rule add to 10.8.0.0/16 prohibit priority 400
rule add fwmark 9 goto 32767 priority 300
rule add not to 10.0.0.0/8 lookup main suppress_prefixlength 0 priority 450
rule add iif vc table 200 priority 600
rule add to 10.9.0.0/16 unreachable priority 410
rule add to 10.10.0.0/16 blackhole priority 420
rule add tos 0x10 table 200 priority 610`
  .trim()
  .split('\n')

const WRONG = `
route add 10.20.0.0/16 via 10.99.0.1
route add 10.20.0.0/33 via 10.0.0.254
route add 10.20.0.1/16 via 10.0.0.254
route add 10.1.0.0/16 via 10.0.1.254 metric 10
route add 10.20.0.0/16 via 10.0.0.254 dev nodev
route add 10.20.0.0/16 via 10.0.0.254 src 10.77.0.1
route add blackhole 10.20.0.0/16 via 10.0.0.254
route add 10.20.0.0/16 via 10.0.0.254 hoplimit 300
route add 10.20.0.0/16 via 10.0.0.254 quickack 7
route add 10.20.0.0/16
route del 10.20.0.0/16
route change 10.20.0.0/16 via 10.0.0.254
route get 10.2.0.1
route get 10.3.0.1
route get 10.4.0.1
route get 10.8.0.1
route get 10.9.0.1
route get 10.10.0.1
rule add table zork
rule add goto 5 priority 9
rule add tos 3 table 5
rule add sport 0 table 5
rule add sport 10-1 table 5
rule add fwmark zz table 5
rule add ipproto foo table 5
rule add from fe80::/10 table 5
rule del priority 99
rule del
rule add priority 500 from 10.0.1.0/24 table 100
rule add bogus`
  .trim()
  .split('\n')

describeE2e(import.meta.path, 'routing beside the kernel', () => {
  const { kernel, both, firstRefused } = createBeside()

  beforeAll(async () => {
    expect(await firstRefused(['link set lo up', ...LINKS, ...LINES])).toBeUndefined()
    kernel('-4 neigh flush all')
  })

  test.each([
    'rule',
    '-j rule',
    '-d -j rule',
    'rule show table 100',
    '-6 rule',
    '-j route',
    'route',
    'route show table 100',
    '-j route show table 200',
    'route show table local',
    '-4 -j route show table all',
  ])('ip %s is the same', async (line) => {
    const said = await both(line)
    expect(said.ours).toEqual(said.kernel)
  })

  test.each(WRONG)('ip %s is refused in the same words', async (line) => {
    const said = await both(line)
    expect(said.kernel.isDone).toBe(false)
    expect(said.ours).toEqual(said.kernel)
  })

  test('three hundred random lookups of IPv6 are answered alike', async () => {
    const next = seeded(8)
    const pick = <T>(...from: T[]): T => from[(next() >>> 0) % from.length]!
    const different: object[] = []
    for (let k = 0; k < 300; k++) {
      const net = pick(
        '2001:db8',
        '2001:db8:1',
        '2001:db8:4',
        '2001:db9',
        '2001:db8:7',
        'fd00:1:0:0'
      )
      const words = [`-j -6 route get ${net}::${(next() & 0xffff).toString(16)}`]
      const more = pick(
        '',
        '',
        'mark 1',
        'from fd00:1::1 mark 1',
        'from fd00:1::9 iif vb',
        'from fd00:1::9 iif va mark 1',
        'oif va',
        'oif vb'
      )
      const said = await both([...words, more].join(' ').trim())
      if (!Bun.deepEquals(parsed(said.kernel), parsed(said.ours))) different.push(said)
    }
    expect(different.slice(0, 12)).toEqual([])
  })

  test('a thousand random lookups are answered alike', async () => {
    const next = seeded(7)
    const random = (): number => (next() >>> 0) / 2 ** 32
    const pick = <T>(...from: T[]): T => from[Math.floor(random() * from.length)]!
    const octet = (): number => Math.floor(random() * 256)
    const different: object[] = []
    for (let k = 0; k < 1000; k++) {
      const dst = pick(
        () =>
          `10.${Math.floor(random() * 12)}.${pick(0, 2, 3, octet())}.${pick(1, 254, 255, octet())}`,
        () => `${1 + Math.floor(random() * 222)}.${octet()}.${octet()}.${octet()}`
      )()
      const line = [
        `-j route get ${dst}`,
        pick('', '', 'from 10.0.0.1', 'from 10.0.1.1', 'from 10.0.2.1'),
        pick('', '', '', 'mark 1', 'mark 0x15', 'mark 9'),
        pick('', '', '', 'oif va', 'oif vb', 'tos 0x10'),
      ]
        .filter((words) => words !== '')
        .join(' ')
      const said = await both(line)
      if (!Bun.deepEquals(parsed(said.kernel), parsed(said.ours))) different.push(said)
    }
    expect(different.slice(0, 12)).toEqual([])
    expect(different.length).toBe(0)
  })
  const parsed = ({ isDone, text }: Said): unknown => (isDone ? JSON.parse(text) : text)
})
