import { expect, test } from 'bun:test'
import { createTime, setTime } from '../../../../core/base/time.ts'
import { createInetPeers } from '../../../../core/inet/dst/inet-peer.ts'

const BURST = 6
const TIMEOUT_MS = 1000
const HOSTS = 200

const make = () => {
  const time = createTime()
  setTime(time, 1e9)
  return { time, peers: createInetPeers({ time, random: () => 7 }) }
}
const host = (n: number): Int32Array => new Int32Array([0, 0, 0xffff, 0x0a000000 + n])

test('hosts that come in turns each have their own limit', () => {
  const { time, peers } = make()
  const allowed = new Array<number>(HOSTS).fill(0)
  const turn = (): void => {
    for (let n = 0; n < HOSTS; n++) if (peers.xrlimAllow(host(n), 0, TIMEOUT_MS)) allowed[n]!++
  }
  for (let k = 0; k < 3 * BURST; k++) turn()
  expect(allowed).toEqual(new Array(HOSTS).fill(BURST))
  setTime(time, 1e9 + TIMEOUT_MS * 1000)
  turn()
  turn()
  expect(allowed).toEqual(new Array(HOSTS).fill(BURST + 1))
})

test('of more hosts than have room the one that was silent longest is forgotten', () => {
  const { time, peers } = make()
  const first = host(1)
  const timeoutMs = 10_000
  for (let k = 0; k < BURST; k++) peers.xrlimAllow(first, 0, timeoutMs)
  for (let ms = 1; ms < 5000; ms++) {
    setTime(time, 1e9 + ms * 1000)
    expect(peers.xrlimAllow(host(1 + ms), 0, timeoutMs)).toBe(true)
    if (ms % 100 === 0) expect(peers.xrlimAllow(first, 0, timeoutMs)).toBe(false)
  }
})
