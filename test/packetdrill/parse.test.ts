import { describe, expect, test } from 'bun:test'
import { runCode } from '../../packetdrill/code.ts'
import { parseScript, preprocess } from '../../packetdrill/parse.ts'
import { Mismatch } from '../../packetdrill/script.ts'

describe('times', () => {
  const when = (text: string) => parseScript(`${text} close(3) = 0`).events[0]!.when
  test.each([
    ['1.5', { kind: 'absolute', at: 1_500_000 }],
    ['+.01', { kind: 'relative', at: 10_000 }],
    ['*', { kind: 'any', at: 0 }],
    ['+.3~+.400', { kind: 'relative', at: 300_000, until: 400_000 }],
    ['+0...0.011', { kind: 'relative', at: 0, returns: 11_000 }],
    ['+.01...0.2', { kind: 'relative', at: 10_000, returns: 200_000 }],
  ] as const)('%s', (text, expected) => expect(when(text)).toEqual(expected))
})

test('a segment with all that it may have', () => {
  const text = '+0 < [ce] FP. 1:101(100) ack 7 win 9 urg 3 <nop,nop,TS val 1 ecr 2,sack 5:6 8:9>'
  expect(parseScript(text).events[0]).toMatchObject({
    is: 'in',
    packet: {
      flags: 0x19,
      seq: 1,
      len: 100,
      ack: 7,
      win: 9,
      urg: 3,
      ecn: 3,
      options: [
        { kind: 'nop' },
        { kind: 'nop' },
        { kind: 'TS', val: 1, ecr: 2 },
        {
          kind: 'sack',
          blocks: [
            [5, 6],
            [8, 9],
          ],
        },
      ],
    },
  })
})
test('names that are defined, and what is kept for them', () => {
  const text = '#ifdef A\none SIZE\n#else\ntwo\n#endif\n#ifndef A\nthree\n#endif'
  const kept = preprocess(
    text,
    new Map([
      ['A', ''],
      ['SIZE', '7'],
    ])
  )
    .split('\n')
    .filter(Boolean)
  expect(kept).toEqual(['one 7'])
  expect(preprocess(text, new Map()).split('\n').filter(Boolean)).toEqual(['two', 'three'])
})
test('a fault says its line', () => {
  expect(() => parseScript('0 close(3) = 0\n+0 close 4')).toThrow('line 2: an event expected')
})

describe('code', () => {
  const names = () =>
    new Map<string, number>([
      ['a', 3],
      ['b', 6],
    ])
  test.each([
    'assert a == 3',
    'assert (b & 4) != 0, b',
    'assert 2 <= a <= 3',
    'assert a + b * 2 == 15; assert not a > b',
    'c = 4; c += 1; assert c == 5',
    "assert a == 3 and b == 6, 'a=%d' % a",
  ])('%s', (text) => expect(() => runCode(text, names())).not.toThrow())
  test.each([
    'assert a == 4, a',
    'assert 4 <= a <= 5',
    'assert a > 9 or b > 9',
    'assert (b & 1) != 0',
  ])('%s does not hold', (text) => expect(() => runCode(text, names())).toThrow(Mismatch))
})
