import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as rss from '../../../core/steering/rss.ts'
import {
  createRssControl,
  formatHashFields,
  parseHashFields,
} from '../../../core/steering/rss-control.ts'

const KEY = Uint8Array.from({ length: 40 }, (_, i) => i + 200)

const setUp = (channels = 4) => {
  const control = createRssControl(new Int32Array(rss.RSS_WORDS))
  control.init(channels, KEY)
  return control
}
const shares = (table: number[], queues: number): number[] =>
  Array.from({ length: queues }, (_, queue) => table.filter((entry) => entry === queue).length)

describe('the indirection table', () => {
  test('starts as the default: queues in turn', () => {
    const table = setUp(3).indirection()
    expect(table.length).toBe(128)
    expect(table.slice(0, 5)).toEqual([0, 1, 2, 0, 1])
  })

  test('equal uses the first N queues', () => {
    const control = setUp(4)
    expect(control.setEqual(2)).toBe(true)
    expect(shares(control.indirection(), 4)).toEqual([64, 64, 0, 0])
    expect(control.setEqual(5)).toBe(false)
    expect(control.setEqual(0)).toBe(false)
    expect(control.setEqual(1.5)).toBe(false)
    expect(shares(control.indirection(), 4)).toEqual([64, 64, 0, 0])
  })

  test('weight gives each queue its share', () => {
    const control = setUp(4)
    expect(control.setWeights([6, 2])).toBe(true)
    expect(shares(control.indirection(), 4)).toEqual([96, 32, 0, 0])
    expect(control.setWeights([0, 1, 0, 3])).toBe(true)
    expect(shares(control.indirection(), 4)).toEqual([0, 32, 0, 96])
    for (const bad of [[], [0, 0], [1, -1], [1.5], [1, 1, 1, 1, 1]]) {
      expect(control.setWeights(bad)).toBe(false)
    }
  })

  test('weights of any kind fill the table within one entry of their proportion', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 8 }), (weights) => {
        const total = weights.reduce((a, b) => a + b, 0)
        fc.pre(total > 0)
        const control = setUp(8)
        control.setWeights(weights)
        for (const [queue, share] of shares(control.indirection(), 8).entries()) {
          expect(Math.abs(share - ((weights[queue] ?? 0) * 128) / total)).toBeLessThan(1)
        }
      })
    )
  })

  test('a table set by hand is kept; wrong sizes and unknown queues are refused', () => {
    const control = setUp(2)
    const table = Array.from({ length: 128 }, (_, i) => (i === 7 ? 1 : 0))
    expect(control.setIndirection(table)).toBe(true)
    expect(control.indirection()).toEqual(table)
    expect(control.setIndirection(table.slice(1))).toBe(false)
    expect(control.setIndirection(table.map(() => 2))).toBe(false)
    expect(control.indirection()).toEqual(table)
    expect(control.setDefault()).toBe(true)
    expect(shares(control.indirection(), 2)).toEqual([64, 64])
  })

  test('a default table follows the channels; one set by hand keeps them from shrinking', () => {
    const control = setUp(4)
    expect(control.setChannels(2)).toBe(true)
    expect(shares(control.indirection(), 2)).toEqual([64, 64])
    control.setChannels(4)
    control.setEqual(3)
    expect(control.setChannels(2)).toBe(false)
    expect(control.setChannels(3)).toBe(true)
    expect(control.setChannels(0)).toBe(false)
    expect(control.channels()).toBe(3)
  })
})

describe('key and fields', () => {
  test('the key reads back; another length is refused', () => {
    const control = setUp()
    expect(control.key()).toEqual(KEY)
    expect(control.setKey(new Uint8Array(39))).toBe(false)
    expect(control.setKey(new Uint8Array(40).fill(7))).toBe(true)
    expect(control.key()).toEqual(new Uint8Array(40).fill(7))
  })

  test('fields are written in the letters of ethtool', () => {
    const control = setUp()
    expect(formatHashFields(control.hashFields(rss.RSS_TCP4))).toBe('sdfn')
    expect(formatHashFields(control.hashFields(rss.RSS_IP6))).toBe('sd')
    expect(parseHashFields('nfds')).toBe(control.hashFields(rss.RSS_UDP6))
    expect(parseHashFields('')).toBe(0)
    expect(parseHashFields('sdx')).toBeNull()
  })

  test('ports are refused where there are none', () => {
    const control = setUp()
    expect(control.setHashFields(rss.RSS_UDP4, rss.TWO_TUPLE)).toBe(true)
    expect(control.hashFields(rss.RSS_UDP4)).toBe(rss.TWO_TUPLE)
    expect(control.setHashFields(rss.RSS_IP4, rss.FOUR_TUPLE)).toBe(false)
    expect(control.setHashFields(rss.RSS_TCP4, 1)).toBe(false)
    expect(control.setHashFields(6, rss.TWO_TUPLE)).toBe(false)
  })

  test('a symmetric hash needs both of every pair', () => {
    const control = setUp()
    control.setHashFields(rss.RSS_TCP4, rss.RXH_IP_SRC)
    expect(control.setSymmetric(true)).toBe(false)
    control.setHashFields(rss.RSS_TCP4, rss.FOUR_TUPLE)
    expect(control.setSymmetric(true)).toBe(true)
    expect(control.setHashFields(rss.RSS_TCP4, rss.RXH_IP_SRC)).toBe(false)
    expect(control.isSymmetric()).toBe(true)
  })
})
