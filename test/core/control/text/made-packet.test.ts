import { expect, test } from 'bun:test'
import { pseudoSum } from '../../../../core/base/checksum.ts'
import { madePacket } from '../../../../core/control/text/made-packet.ts'
import { dumpFrame } from '../../../../core/wire/dump.ts'
import * as icmp from '../../../../core/wire/icmp.ts'
import * as icmpv6 from '../../../../core/wire/icmpv6.ts'
import * as ipv4 from '../../../../core/wire/ipv4.ts'
import * as ipv6 from '../../../../core/wire/ipv6.ts'
import * as tcp from '../../../../core/wire/tcp.ts'
import * as udp from '../../../../core/wire/udp.ts'
import { macText } from '../../../../sim/net/packets.ts'

const OWN = { hi: 0x0200, lo: 0x0000_0101 }
const AT = 14
const made = (text: string): Uint8Array => {
  const frame = madePacket(text, OWN)
  if ('mistake' in frame) throw new Error(frame.mistake)
  return frame
}
const dumped = (text: string): string => {
  const frame = made(text)
  return dumpFrame(frame, 0, frame.length)
}

test('the words of a packet are those of its frame', () => {
  expect(dumped('udp 10.1.0.1:5000 > 10.2.0.1:53 len 9')).toBe(
    'IP 10.1.0.1.5000 > 10.2.0.1.53: UDP, length 9'
  )
  expect(dumped('tcp 10.1.0.1:5000 > 10.2.0.1:80 flags FA len 3')).toContain('Flags [F.]')
  expect(dumped('icmp fd00::1 > fd00::2')).toContain('ICMP6, echo request')
  const frame = made('udp 10.1.0.1:1 > 10.2.0.1:2 ttl 7 tos 46 df from 02:00:00:00:00:09')
  expect([ipv4.ttl(frame, AT), ipv4.tos(frame, AT), ipv4.dontFragment(frame, AT)]).toEqual([
    7,
    46,
    true,
  ])
  expect([macText(frame, 0), macText(frame, 6)]).toEqual(['02:00:00:00:01:01', '02:00:00:00:00:09'])
  const six = made('udp [fd00::1]:1 > [fd00::2]:2 ttl 3 tos 8')
  expect([ipv6.hopLimit(six, AT), ipv6.trafficClass(six, AT)]).toEqual([3, 8])
})

test.each(['tcp', 'udp', 'icmp'])('checksums of %s are right, of both families', (protocol) => {
  for (const len of [0, 1, 100]) {
    const frame = made(`${protocol} 10.1.0.1 > 10.2.0.1 len ${len}`)
    const six = made(`${protocol} fd00::1 > fd00::2 len ${len}`)
    const [at4, at6] = [AT + ipv4.MIN_HEADER, AT + ipv6.HEADER]
    const [n4, n6] = [frame.length - at4, six.length - at6]
    const pseudo4 = pseudoSum(frame, AT + ipv4.ADDRS, ipv4.ADDRS_LEN, frame[AT + 9]!, n4)
    const pseudo6 = pseudoSum(six, AT + ipv6.ADDRS, ipv6.ADDRS_LEN, six[AT + 6]!, n6)
    expect(ipv4.isChecksumOk(frame, AT)).toBe(true)
    if (protocol === 'tcp') {
      expect(tcp.isChecksumOk(frame, at4, n4, pseudo4)).toBe(true)
      expect(tcp.isChecksumOk(six, at6, n6, pseudo6)).toBe(true)
    } else if (protocol === 'udp') {
      expect(udp.isChecksumOk(frame, at4, pseudo4)).toBe(true)
      expect(udp.isChecksumOk(six, at6, pseudo6)).toBe(true)
    } else {
      expect(icmp.isChecksumOk(frame, at4, n4)).toBe(true)
      expect(icmpv6.isChecksumOk(six, at6, n6, pseudo6)).toBe(true)
    }
  }
})

test('what is for many has the link address of the many', () => {
  expect(macText(made('udp 10.1.0.1:1 > 224.1.2.3:2'), 0)).toBe('01:00:5e:01:02:03')
  expect(macText(made('udp 10.1.0.1:1 > 255.255.255.255:2'), 0)).toBe('ff:ff:ff:ff:ff:ff')
  expect(macText(made('icmp fd00::1 > ff02::fb'), 0)).toBe('33:33:00:00:00:fb')
  expect(macText(made('udp 10.1.0.1:1 > 224.1.2.3:2 to 02:00:00:00:00:08'), 0)).toBe(
    '02:00:00:00:00:08'
  )
})

test('octets in hex are a frame as it stands, with blanks or colons', () => {
  const hex = made('icmp 10.1.0.1 > 10.2.0.1').toHex()
  expect(made(hex).toHex()).toBe(hex)
  expect(made(hex.replaceAll(/(..)(?=.)/g, '$1:')).toHex()).toBe(hex)
  expect(made(hex.replaceAll(/(....)/g, '$1 ')).toHex()).toBe(hex)
})
