import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { gzipSync } from 'node:zlib'
import { PCAP_HEADER_LEN, putPcapHeader, putPcapRecord } from '../../../core/wire/pcap.ts'
import { createCaptureReader } from '../../../core/wire/pcap-reader.ts'
import {
  fileSource,
  openPcapRecord,
  openPcapReplay,
} from '../../../workers/drivers/capture-file.ts'
import { cstring, libc } from '../../../workers/os/libc.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/softnet-test-`)
  path = `${folder}/file`
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const capture = (frames = 1, linkType = 1): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(PCAP_HEADER_LEN + frames * 76)
  let at = putPcapHeader(out, 0, 65535)
  out[20] = linkType
  for (let k = 0; k < frames; k++) at = putPcapRecord(out, at, k, 0, new Uint8Array(60), 0, 60, 60)
  return out
}
const framesOf = (fd: number): number => {
  const reader = createCaptureReader(fileSource(fd))!
  let n = 0
  while (reader.next()) n++
  expect(reader.problem()).toBeNull()
  return n
}
const makeFifo = (): void => {
  expect(libc.mkfifo(cstring(path).at, 0o600)).toBe(0)
}

describe('a file to replay', () => {
  /** What opening it is refused with. */
  const refusal = async (limit?: number): Promise<string> => {
    const opened = await openPcapReplay(path, openSync, limit).catch(
      (error: Error) => error.message
    )
    if (typeof opened === 'number') throw new Error('it was opened')
    return opened
  }

  test('is opened, also by a symbolic link', async () => {
    writeFileSync(path, capture(3))
    symlinkSync(path, `${folder}/link`)
    const fd = await openPcapReplay(`${folder}/link`)
    expect(framesOf(fd)).toBe(3)
    closeSync(fd)
  })

  test('that is a FIFO is refused at once, and nothing waits for its other end', async () => {
    makeFifo()
    expect(await refusal()).toContain('EINVAL): it is a FIFO, not a regular file')
  })

  test('that is a directory, a device or not there is refused by name', async () => {
    mkdirSync(path)
    expect(await refusal()).toContain('EISDIR): it is a directory')
    path = '/dev/zero'
    expect(await refusal()).toContain('it is a device')
    path = `${folder}/missing`
    expect(await refusal()).toContain('ENOENT')
  })

  test.each([
    ['neither a pcap nor a pcapng file', new TextEncoder().encode('words and words')],
    ['neither a pcap nor a pcapng file', new Uint8Array(0)],
    ['a snoop capture', new TextEncoder().encode('snoop\0\0\0')],
    ['compressed by zstd', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0)],
    ['a capture of IEEE802_11 (105)', capture(1, 105)],
    ['a capture of link type (99)', capture(0, 99)],
    ['pcap version 2.5', capture(1).with(6, 5)],
  ])('that is %s is refused with these words', async (why, content) => {
    writeFileSync(path, content)
    expect(await refusal()).toContain(`it is ${why}`)
  })

  test('that is gzipped is unpacked, all its members, and leaves no file behind', async () => {
    const half = capture(2)
    writeFileSync(path, Buffer.concat([gzipSync(half), gzipSync(half.slice(PCAP_HEADER_LEN))]))
    const fd = await openPcapReplay(path)
    expect(framesOf(fd)).toBe(4)
    expect(fstatSync(fd).nlink).toBe(0)
    closeSync(fd)
  })

  test('that unpacks to more than the bound is refused', async () => {
    writeFileSync(path, gzipSync(new Uint8Array(1 << 20)))
    expect(await refusal(100_000)).toContain('EFBIG): it holds more than 100000 octets')
  })

  test('that is gzipped and cut short, or holds no capture, is refused', async () => {
    const packed = gzipSync(capture(2))
    writeFileSync(path, packed.subarray(0, packed.length - 6))
    expect(await refusal()).toContain('EBADMSG')
    writeFileSync(path, gzipSync('words and words'))
    expect(await refusal()).toContain('neither a pcap nor a pcapng file')
  })
})

describe('a file to record to', () => {
  test('is made for its owner alone, with a header', () => {
    closeSync(openPcapRecord(path))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path)).toHaveLength(PCAP_HEADER_LEN)
  })

  test('that is a FIFO, a device or a directory is refused at once', () => {
    makeFifo()
    expect(() => openPcapRecord(path)).toThrow('it is a FIFO')
    expect(() => openPcapRecord('/dev/null')).toThrow('it is a device')
    expect(() => openPcapRecord(folder)).toThrow('EISDIR')
  })

  test('that holds something else is left as it is', () => {
    writeFileSync(path, 'my notes of many years')
    expect(() => openPcapRecord(path)).toThrow('EEXIST')
    expect(readFileSync(path, 'utf8')).toBe('my notes of many years')
  })
})
