// What is known of a flow by the segments that are made for it.

import { expect, test } from 'bun:test'
import { PLAIN } from './script.ts'
import { makeFlow, segmentFrame } from './wire.ts'

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
