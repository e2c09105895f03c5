// MD5 against the suite of RFC 1321 (appendix A.5), and against Bun's for lengths around the blocks' ends.

import { expect, test } from 'bun:test'
import { createMd5 } from '../../../core/base/md5.ts'

const md5 = createMd5()
const hex = (bytes: Uint8Array, cut = bytes.length): string => {
  md5.begin()
  md5.add(bytes, 0, cut)
  md5.add(bytes, cut, bytes.length - cut)
  return Buffer.from(md5.finish()).toString('hex')
}

test.each([
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a', '0cc175b9c0f1b6a831c399e269772661'],
  ['abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
])('of %p', (text, digest) => {
  expect(hex(new TextEncoder().encode(text))).toBe(digest)
})
test('of every length around two blocks, in one piece and in two', () => {
  for (let length = 50; length < 140; length++) {
    const bytes = new Uint8Array(length).map((_, k) => (k * 37 + length) & 255)
    const wanted = new Bun.CryptoHasher('md5').update(bytes).digest('hex')
    expect(hex(bytes)).toBe(wanted)
    expect(hex(bytes, length % 61)).toBe(wanted)
  }
})
