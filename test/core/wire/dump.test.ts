import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { dumpFrame } from '../../../core/wire/dump.ts'

const ETH = '020000000002020000000001'
const frames = {
  arp: `${ETH}08060001080006040001020000000001c0000201000000000000c0000202`,
  arpReply: `${ETH}08060001080006040002020000000001c0000201020000000002c0000202`,
  syn: `${ETH}080045000034000040004006b6c4c0000201c00002029c400050ffffffff0000000080020400000000000204 05b401010402 01030307`.replaceAll(
    ' ',
    ''
  ),
  data: `${ETH}0800450000350000400040060000c0000201c00002029c400050fffffffe0000000580180400000000000101080a0000000100000002616263`.replace(
    '45000035',
    '45000037'
  ),
  udp: `${ETH}08004500001e0000000040110000c0000201c000020203e807d0000a00006869`,
  later: `${ETH}08004500001c00070001401100 00c0000201c000020203e807d0000a0000`.replaceAll(' ', ''),
  echo: `${ETH}08004500001c0000000040010000c0000201c00002020800000000070009`,
  tooBig: `${ETH}86dd6000000000083a40fe800000000000000000000000000001fe80000000000000000000000000000202000000000004d2`,
  vlan: `${ETH}8100a06488cc0102`,
}
const dump = (hex: string): string => {
  const mem = Uint8Array.fromHex(`ee${hex}`)
  return dumpFrame(mem, 1, mem.length - 1)
}

describe('one line a frame', () => {
  test.each([
    ['arp', 'ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28'],
    ['arpReply', 'ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:01, length 28'],
    [
      'syn',
      'IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [S], seq 4294967295, win 1024, ' +
        'options [mss 1460,sackOK,wscale 7], length 0',
    ],
    [
      'data',
      'IP 192.0.2.1.40000 > 192.0.2.2.80: Flags [P.], seq 4294967294:1, ack 5, win 1024, ' +
        'options [TS val 1 ecr 2], length 3',
    ],
    ['udp', 'IP 192.0.2.1.1000 > 192.0.2.2.2000: UDP, length 2'],
    ['later', 'IP 192.0.2.1 > 192.0.2.2: frag 7:8@8 ip-proto-17'],
    ['echo', 'IP 192.0.2.1 > 192.0.2.2: ICMP, echo request, id 7, seq 9, length 8'],
    ['tooBig', 'IP6 fe80::1 > fe80::2: ICMP6, packet too big, mtu 1234, length 8'],
    ['vlan', 'vlan 100, p 5, 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88cc, length 20'],
  ] as const)('%s', (name, line) => expect(dump(frames[name])).toBe(line))
})

test('a frame cut at any length is still one line', () => {
  for (const hex of Object.values(frames)) {
    for (let octets = 0; octets < hex.length / 2; octets++) {
      const line = dump(hex.slice(0, octets * 2))
      expect(line).not.toInclude('undefined')
      expect(line).not.toInclude('NaN')
    }
  }
})

test('random bytes are one line too', () => {
  const type = fc.constantFrom('0800', '0806', '86dd', '8100')
  fc.assert(
    fc.property(type, fc.uint8Array({ maxLength: 120 }), (ethertype, body) => {
      const line = dump(ETH + ethertype + body.toHex())
      expect(line).not.toInclude('undefined')
      expect(line).not.toInclude('NaN')
      expect(line).not.toInclude('\n')
    })
  )
})
