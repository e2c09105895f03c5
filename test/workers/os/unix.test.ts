import { expect, test } from 'bun:test'
import { fstatSync } from 'node:fs'
import { libc, O_RDONLY, openPath } from '../../../workers/os/libc.ts'
import { receiveMessage, sendMessage, socketPair } from '../../../workers/os/unix.ts'

const F_GETFD = 1
const FD_CLOEXEC = 1

test.each([0, 1, 2, 5])('a message carries %d descriptors, close-on-exec', (count) => {
  const [left, right] = socketPair()
  const sent = Array.from({ length: count }, () => openPath('/dev/null', O_RDONLY))
  sendMessage(left, '{"n":"€"}', sent)
  const message = receiveMessage(right, true)
  expect(message?.text).toBe('{"n":"€"}')
  expect(message?.fds.length).toBe(count)
  for (const fd of message?.fds ?? []) {
    expect(fstatSync(fd).rdev).toBe(fstatSync(sent[0]!).rdev)
    expect(libc.fcntl(fd, F_GETFD, 0)).toBe(FD_CLOEXEC)
    libc.close(fd)
  }
  for (const fd of [...sent, left, right]) libc.close(fd)
})

test('no message is undefined, a closed other side is null', () => {
  const [left, right] = socketPair()
  expect(receiveMessage(right, false)).toBeUndefined()
  libc.close(left)
  expect(receiveMessage(right, true)).toBeNull()
  libc.close(right)
})

test('a side that reads nothing is an error to the other, and no wait', () => {
  const [left, right] = socketPair()
  const flood = (): void => {
    for (let k = 0; k < 10_000; k++) sendMessage(left, 'x'.repeat(10_000))
  }
  expect(flood).toThrow('EAGAIN')
  for (const fd of [left, right]) libc.close(fd)
})
