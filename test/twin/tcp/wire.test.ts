// What is known of a flow by the segments that are made for it.

import { expect, test } from 'bun:test'
import { PLAIN } from './script.ts'
import { makeFlow, segmentFrame } from './wire.ts'

test('options that are text have nothing of the host, those of a header do', () => {
  const made = (isn: number, doff: number): string => {
    const flow = { ...makeFlow('ipv4', 0, 1000), isn, stamp: isn }
    const options = ['nop', 'nop', 'ts 1 0', 'nop', 'nop', 'sack 1 11']
    const frame = segmentFrame(flow, { ...PLAIN, flags: 'S', options, doff })
    return Buffer.from(frame.subarray(14 + 20 + 20)).toString('hex')
  }
  const shown = (stamp: string, sack: string): string => `0101080a00000001${stamp}0101050a${sack}`
  expect(made(0x100, 0)).toBe(shown('00000100', '000001010000010b'))
  expect(made(0x100, 20)).toBe(shown('00000000', '000000010000000b'))
  expect(made(0x100, 32)).toBe(shown('00000100', '000000010000000b'))
})

test('a window is scaled where the SYN has the option, and it is found', () => {
  const isScaled = (doff: number, ...options: string[]): boolean => {
    const flow = makeFlow('ipv4', 0, 1000)
    segmentFrame(flow, { ...PLAIN, flags: 'S', options, doff })
    return flow.isPeerScaled
  }
  expect(isScaled(0, 'mss 1000', 'wscale 7')).toBe(true)
  expect(isScaled(0, 'mss 1000')).toBe(false)
  // an option without an end, the end of options, a header that ends before it
  expect(isScaled(0, 'raw 0101010108', 'mss 1', 'wscale 7')).toBe(false)
  expect(isScaled(0, 'raw 00', 'wscale 7')).toBe(false)
  expect(isScaled(24, 'mss 1000', 'wscale 7')).toBe(false)
})
