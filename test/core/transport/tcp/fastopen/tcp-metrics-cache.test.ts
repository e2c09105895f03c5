import { expect, test } from 'bun:test'
import { createTime, setTime } from '../../../../../core/base/time.ts'
import { SK_DADDR, SK_SADDR } from '../../../../../core/socket/sock.ts'
import {
  createTcpMetricsCache,
  TM_COOKIE_LEN,
  TM_MSS,
} from '../../../../../core/transport/tcp/fastopen/tcp-metrics-cache.ts'

const made = () => {
  const i32 = new Int32Array(512)
  const time = createTime()
  const cache = createTcpMetricsCache(i32, time, 7)
  const connect = (peer: number, own = 1): number => {
    i32.set([0, 0, 0xffff, peer], SK_DADDR)
    i32.set([0, 0, 0xffff, own], SK_SADDR)
    return 0
  }
  const at = (ms: number): void => setTime(time, ms * 1000)
  return { cache, connect, at }
}

test('what is known of a peer is known of it and our address alone', () => {
  const { cache, connect } = made()
  cache.table[cache.entryFor(connect(10)) + TM_MSS] = 1400
  expect(cache.find(connect(11))).toBe(-1)
  expect(cache.find(connect(10, 2))).toBe(-1)
  const e = cache.find(connect(10))
  expect(cache.table[e + TM_MSS]).toBe(1400)
  expect(cache.entryFor(connect(10))).toBe(e)
  cache.flush()
  expect(cache.find(connect(10))).toBe(-1)
})

test('it is bounded: the one of a bucket that was written first gives way, and a new one knows nothing', () => {
  const { cache, connect, at } = made()
  const peers = 20_000
  for (let peer = 1; peer <= peers; peer++) {
    at(peer)
    const e = cache.entryFor(connect(peer))
    expect(cache.table[e + TM_COOKIE_LEN]).toBe(0)
    cache.table[e + TM_COOKIE_LEN] = 8
  }
  const known = Array.from({ length: peers }, (_, k) => k + 1).filter(
    (peer) => cache.find(connect(peer)) >= 0
  )
  expect(known.length).toBe(1280)
  // those that are left are the latest of their buckets
  expect(known.reduce((sum, peer) => sum + peer) / known.length).toBeGreaterThan(peers * 0.95)
})
