import { expect, test } from 'bun:test'
import { createTime, setTime } from '../../../../core/base/time.ts'
import {
  createErrQueue,
  EE_DATA,
  EE_INFO,
  EE_TIME_MS,
  EE_TIME_US,
  EE_WORDS,
} from '../../../../core/socket/msg/errqueue.ts'
import { SO_EE_ORIGIN_TIMESTAMPING } from '../../../../core/socket/socket-constants.ts'

const EAGAIN = -11
const made = () => {
  const time = createTime()
  const i32 = new Int32Array(8192)
  const budget = { release: () => {} }
  const queue = createErrQueue({ i32, time, budget, consume: () => {} })
  const words = new Int32Array(EE_WORDS)
  const push = (sk: number, info: number): boolean =>
    queue.push(sk, 42, SO_EE_ORIGIN_TIMESTAMPING, 0, info, 0, 0)
  /** ee_info and ee_data of the oldest, or -errno. */
  const take = (sk: number): number | string => {
    const result = queue.take(sk, words, 0)
    return result < 0 ? result : `${words[EE_INFO]}-${words[EE_DATA]}`
  }
  return { ...queue, time, words, push, take }
}
const SK = 0
const OTHER = 512

test('a socket takes its own, oldest first', () => {
  const { push, take, isEmpty } = made()
  push(SK, 1)
  push(OTHER, 9)
  push(SK, 2)
  expect([take(SK), take(SK), take(SK)]).toEqual(['1-0', '2-0', EAGAIN])
  expect([isEmpty(SK), isEmpty(OTHER)]).toEqual([true, false])
  expect(take(OTHER)).toBe('9-0')
})
test('each has the time at which it was put there', () => {
  const { time, words, push, take } = made()
  setTime(time, 5_250_000)
  push(SK, 1)
  setTime(time, 9_000_000)
  take(SK)
  expect([words[EE_TIME_MS], words[EE_TIME_US]]).toEqual([5250, 5_250_000])
})
test('copies of calls that follow one another are one notice, until something else is said', () => {
  const { push, take, noteCopied } = made()
  for (const call of [0, 1, 2]) noteCopied(SK, call)
  push(SK, 7)
  for (const call of [3, 4, 6]) noteCopied(SK, call)
  expect([take(SK), take(SK), take(SK), take(SK)]).toEqual(['0-2', '7-0', '3-4', '6-6'])
})
test('a socket has a bound, and so has the worker; what ends gives its places back', () => {
  const { push, take, hasRoom, purge, isEmpty } = made()
  for (let n = 0; n < 256; n++) expect(push(SK, n)).toBe(true)
  expect([hasRoom(SK), push(SK, 1), hasRoom(OTHER)]).toEqual([false, false, true])
  take(SK)
  expect([hasRoom(SK), push(SK, 1)]).toEqual([true, true])
  const sockets = Array.from({ length: 8 }, (_, n) => n * 512)
  for (const sk of sockets) while (push(sk, 1));
  expect(push(8 * 512, 1)).toBe(false)
  for (const sk of sockets) purge(sk)
  expect(sockets.every(isEmpty)).toBe(true)
  for (const sk of sockets) for (let n = 0; n < 256; n++) expect(push(sk, n)).toBe(true)
  expect(push(8 * 512, 1)).toBe(false)
})
