import { expect, test } from 'bun:test'
import {
  addressOf,
  block,
  check,
  cstring,
  Errno,
  errno,
  errnoName,
  errnoText,
  functionAddress,
  libc,
  O_RDONLY,
  OsError,
  openPath,
  putAddress,
  threadCpu,
} from '../../../workers/os/libc.ts'

test('a failed call leaves its errno', () => {
  const byte = block(1)
  for (let i = 0; i < 10_000; i++) {
    expect(libc.read(-1, byte.at, 1)).toBe(-1)
    expect(errno()).toBe(Errno.EBADF)
  }
})

test('errno numbers have names and texts', () => {
  expect(errnoName(11)).toBe('EAGAIN')
  expect(errnoName(9999)).toBe('E9999')
  expect(errnoText(Errno.ENOENT)).toBe('No such file or directory')
})

test('a failed path names the path, the errno and the hint', () => {
  expect(() => openPath('/no/such', O_RDONLY, 'make it')).toThrow(
    new OsError('open /no/such', Errno.ENOENT, 'make it')
  )
})

test('reads land at base + offset of a shared buffer', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(64))
  const fd = openPath('/proc/self/comm', O_RDONLY)
  const count = check(libc.read(fd, addressOf(shared) + 8, 16), 'read')
  libc.close(fd)
  expect(count).toBeGreaterThan(1)
  expect(shared[7]).toBe(0)
  expect(shared[8 + count - 1]).toBe(10)
})

test('writev gathers from two places', () => {
  const [a, b] = [cstring('soft'), cstring('net')]
  const iov = block(32)
  putAddress(iov.view, 0, a.at)
  putAddress(iov.view, 8, 4)
  putAddress(iov.view, 16, b.at)
  putAddress(iov.view, 24, 3)
  const pair = block(8)
  check(libc.socketpair(1, 2, 0, pair.at), 'socketpair')
  const [left, right] = [pair.view.getInt32(0, true), pair.view.getInt32(4, true)]
  expect(libc.writev(left, iov.at, 2)).toBe(7)
  const got = block(16)
  expect(libc.read(right, got.at, 16)).toBe(7)
  expect(new TextDecoder().decode(got.bytes.subarray(0, 7))).toBe('softnet')
  libc.close(left)
  libc.close(right)
})

test('addresses above 4 GiB survive putAddress', () => {
  const { view } = block(8)
  putAddress(view, 0, 0x7fff_8000_0010)
  expect(view.getBigUint64(0, true)).toBe(0x7fff_8000_0010n)
})

test('an unknown function is named', () => {
  expect(() => functionAddress('no_such_function')).toThrow('no_such_function')
})

test('the thread has used CPU time', () => {
  const { userUs, systemUs } = threadCpu()
  expect(userUs + systemUs).toBeGreaterThan(0)
})
