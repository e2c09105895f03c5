/**
 * Capture files as they are opened: only regular files, so that neither the open nor any later read or write can block
 * the thread that makes it, whatever the path names. A gzipped one is unpacked into a file without a name first,
 * bounded, off this thread. Control thread; drivers/pcap.ts reads and writes what is opened here.
 */
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { CaptureSource } from '../../core/wire/capture-window.ts'
import type { CaptureReader } from '../../core/wire/captured-packet.ts'
import { isReadableLinkType, linkTypeName } from '../../core/wire/linktype.ts'
import {
  LINKTYPE_ETHERNET,
  PCAP_HEADER_LEN,
  PCAP_MAGIC_NS,
  putPcapHeader,
} from '../../core/wire/pcap.ts'
import { createCaptureReader } from '../../core/wire/pcap-reader.ts'
import { LARGE_ROOM } from '../../core/skb/skb.ts'
import type { OpenFile } from '../os/folder.ts'
import { Errno, OsError } from '../os/libc.ts'

/** Bound of what a gzipped capture unpacks to: some octets can stand for a disk full of them. */
const MAX_UNPACKED_BYTES = 1024 ** 3
/** How much of a capture is looked at before it is taken: the rest is read when it is played. */
const LOOK_BYTES = 1 << 20

const kindOf = (stats: Stats): string => {
  if (stats.isFIFO()) return 'a FIFO'
  if (stats.isDirectory()) return 'a directory'
  if (stats.isSocket()) return 'a socket'
  if (stats.isFile()) return 'a file'
  return 'a device'
}
const checkRegular = (path: string, stats: Stats): void => {
  if (stats.isFile()) return
  const code = stats.isDirectory() ? Errno.EISDIR : Errno.EINVAL
  throw new OsError(`open ${path}`, code, `it is ${kindOf(stats)}, not a regular file`)
}

/** open(2): what it opens has no effect, whatever it is. */
const O_PATH = 0x200000

/** Looks at what is there; nothing is as good as a regular file. */
const look = (path: string, open: OpenFile): void => {
  try {
    const fd = open(path, O_PATH)
    try {
      checkRegular(path, fstatSync(fd))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error
  }
}

/**
 * Opens a regular file. The first look keeps an open from having an effect on something else, O_NONBLOCK from waiting
 * for it, and the second look from being fooled in between.
 */
const openRegular = (path: string, flags: number, open: OpenFile): number => {
  look(path, open)
  const fd = open(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY, 0o600)
  try {
    checkRegular(path, fstatSync(fd))
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** What a reader reads of an open file: what it has now, not what is appended to it. */
export const fileSource = (fd: number, limit = Number.POSITIVE_INFINITY): CaptureSource => ({
  size: Math.min(limit, fstatSync(fd).size),
  read: (offset, into, len) => {
    let n = 0
    while (n < len) {
      const more = readSync(fd, into, n, len - n, offset + n)
      if (more === 0) break
      n += more
    }
    return n
  },
})

// ---- to append to

const readHeader = (fd: number): DataView => {
  const header = new Uint8Array(PCAP_HEADER_LEN)
  readSync(fd, header, 0, header.length, 0)
  return new DataView(header.buffer)
}
/** A file with something in it is continued only where it began as ours do. */
const checkContinues = (path: string, fd: number): void => {
  const header = readHeader(fd)
  if (
    header.getUint32(0, true) === PCAP_MAGIC_NS &&
    header.getUint32(20, true) === LINKTYPE_ETHERNET
  )
    return
  const why = 'it has something in it that is no Ethernet capture in nanoseconds, to be continued'
  throw new OsError(`open ${path}`, Errno.EEXIST, why)
}

/** Opens a capture file to append to, its header written first where the file is new. Throws OsError, or Node's. */
export const openPcapRecord = (path: string, open: OpenFile = openSync): number => {
  const { O_RDWR, O_CREAT, O_APPEND } = constants
  const fd = openRegular(path, O_RDWR | O_CREAT | O_APPEND, open)
  try {
    if (fstatSync(fd).size !== 0) checkContinues(path, fd)
    else {
      const header = new Uint8Array(PCAP_HEADER_LEN)
      putPcapHeader(header, 0, LARGE_ROOM)
      if (writeSync(fd, header) !== header.length) throw new OsError(`write ${path}`, Errno.ENOSPC)
    }
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

// ---- to replay

const isGzip = (fd: number): boolean => {
  const magic = new Uint8Array(2)
  return readSync(fd, magic, 0, 2, 0) === 2 && magic[0] === 0x1f && magic[1] === 0x8b
}

/** A file in the folder for such, whose name is gone at once: it lasts as long as its descriptor. */
const openNameless = (): number => {
  const path = `${tmpdir()}/softnet-${crypto.randomUUID()}`
  const { O_RDWR, O_CREAT, O_EXCL } = constants
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
  unlinkSync(path)
  return fd
}

const unpack = async (path: string, packed: number, limit: number): Promise<number> => {
  const fd = openNameless()
  let total = 0
  const store = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) {
      total += chunk.length
      if (total > limit)
        throw new OsError(`unpack ${path}`, Errno.EFBIG, `it holds more than ${limit} octets`)
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at)
    }
  }
  try {
    const input = createReadStream('', { fd: packed, autoClose: false, start: 0 })
    await pipeline(input, createGunzip(), store)
    return fd
  } catch (error) {
    closeSync(fd)
    if (error instanceof OsError) throw error
    throw new OsError(`unpack ${path}`, Errno.EBADMSG, (error as Error).message)
  }
}

/** Throws why the file is no capture, or none of packets that an Ethernet device could receive. */
const checkCapture = (path: string, fd: number): void => {
  const refuse = (why: string): never => {
    throw new OsError(`replay ${path}`, Errno.EPROTONOSUPPORT, `it is ${why}`)
  }
  const reader = createCaptureReader(fileSource(fd, LOOK_BYTES), refuse) as CaptureReader
  reader.next()
  const types = reader.linkTypes()
  if (types.length > 0 && !types.some(isReadableLinkType))
    refuse(
      `a capture of ${[...new Set(types)].map(linkTypeName).join(', ')}, not of Ethernet or IP`
    )
}

/** Opens a capture file to replay. Rejects when it is no capture, or one that cannot be replayed, with the reason. */
export const openPcapReplay = async (
  path: string,
  open: OpenFile = openSync,
  limit = MAX_UNPACKED_BYTES
): Promise<number> => {
  const given = openRegular(path, constants.O_RDONLY, open)
  let fd = given
  try {
    if (isGzip(given)) {
      fd = await unpack(path, given, limit)
      closeSync(given)
    }
    checkCapture(path, fd)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
