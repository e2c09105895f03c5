import { expect, test } from 'bun:test'
import { createTime, setTime } from '../../../../../core/base/time.ts'
import { createArena } from '../../../../../core/shm/arena.ts'
import { counterBank, Mib } from '../../../../../core/shm/counters.ts'
import { SMALL_ARENA } from '../../../../../core/shm/layout.ts'
import {
  SK_TYPE,
  SOCK_STREAM,
  SK_RMEM,
  SK_WMEM,
  sockSlab,
} from '../../../../../core/socket/sock.ts'
import { createTcpOom, type TcpOomDeps } from '../../../../../core/transport/tcp/sock/tcp-oom.ts'
import {
  TP_BACKOFF,
  TP_LRCVTIME,
  TP_LSNDTIME,
  TP_PACKETS_OUT,
  TP_SEND_HEAD,
  TP_SND_WND,
} from '../../../../../core/transport/tcp/sock/tcp-sock.ts'

/** Its peer's window is closed. */
const CLOSED = { [TP_SEND_HEAD]: 1, [TP_SND_WND]: 0 }

const setup = () => {
  const arena = createArena(SMALL_ARENA)
  const { i32 } = arena
  const slab = sockSlab(arena, 0, true)
  const time = createTime()
  let nowMs = 1
  const reset: number[] = []
  const bank = counterBank(arena, 0)
  const deps = {
    arena,
    bank,
    time,
    slab,
    transmit: { sendActiveReset: (sk: number) => void reset.push(sk) },
    life: { fail: (sk: number) => slab.free(sk) },
    purge: (sk: number) => {
      i32[sk + SK_RMEM] = 0
      i32[sk + SK_WMEM] = 0
    },
  } as unknown as TcpOomDeps
  const oom = createTcpOom(deps)
  const sock = (words: Record<number, number>): number => {
    const sk = slab.alloc()
    i32[sk + SK_TYPE] = SOCK_STREAM
    for (const [word, value] of Object.entries(words)) i32[sk + Number(word)] = value
    return sk
  }
  /** Time passes: one trim a millisecond. */
  const later = (): void => setTime(time, ++nowMs * 1000)
  later()
  const aborts = (): number => arena.f64[bank + Mib.TcpExtTCPAbortOnMemory]!
  const set = (sk: number, word: number, value: number): void => {
    i32[sk + word] = value
  }
  return { oom, sock, set, later, reset, aborts }
}

test('of the senders those go whose peers do not read or answer, and of them first who holds most', () => {
  const { oom, sock, later, reset, aborts } = setup()
  const asker = sock({ [SK_WMEM]: 0 })
  // it gets on: what it holds comes back by that
  sock({ [SK_WMEM]: 900_000, [TP_PACKETS_OUT]: 3, [TP_SEND_HEAD]: 1, [TP_SND_WND]: 1000 })
  // it has been given text, and has not sent it yet
  sock({ [SK_WMEM]: 800_000, [TP_SEND_HEAD]: 1, [TP_SND_WND]: 1000 })
  const slow = sock({ [SK_WMEM]: 30_000, ...CLOSED })
  const silent = sock({ [SK_WMEM]: 20_000, [TP_PACKETS_OUT]: 1, [TP_BACKOFF]: 2 })
  // those who have their minimum and get on, or have lost a segment
  sock({ [SK_WMEM]: 4000, [TP_PACKETS_OUT]: 1 })
  sock({ [SK_WMEM]: 4000, [TP_PACKETS_OUT]: 1, [TP_BACKOFF]: 1 })
  const gone = sock({ [SK_WMEM]: 4000, [TP_PACKETS_OUT]: 1, [TP_BACKOFF]: 2 })
  sock({ [SK_RMEM]: 1_000_000 })
  for (let n = 0; n < 3; n++) {
    expect(oom.trimSnd(asker)).toBe(true)
    later()
  }
  expect(reset).toEqual([slow, silent, gone])
  expect(oom.trimSnd(asker)).toBe(false)
  expect(aborts()).toBe(3)
})
test.each([
  ['sender', 'trimSnd', SK_WMEM, TP_LSNDTIME],
  ['receiver', 'trimRcv', SK_RMEM, TP_LRCVTIME],
] as const)(
  'a %s that gets on goes when somebody has waited four seconds for his minimum',
  (...row) => {
    const [, trim, held, moved] = row
    const { oom, sock, set, later, reset } = setup()
    const [asker, served] = [sock({}), sock({})]
    const most = sock({ [held]: 900_000, [TP_PACKETS_OUT]: 3 })
    const less = sock({ [held]: 90_000, [TP_PACKETS_OUT]: 3 })
    for (let ms = 0; ms < 4000; ms++) {
      set(most, moved, ms)
      set(less, moved, ms)
      expect([oom[trim](asker), oom[trim](served)]).toEqual([false, false])
      later()
    }
    // something of this one has got through meanwhile
    set(served, moved, 3800)
    expect(oom[trim](served)).toBe(false)
    later()
    expect(oom[trim](asker)).toBe(true)
    later()
    expect(oom[trim](served)).toBe(false)
    expect(reset).toEqual([most])
  }
)
test('of the receivers that nobody reads who holds most, whatever it sends', () => {
  const { oom, sock, later, reset } = setup()
  const asker = sock({ [SK_RMEM]: 0 })
  const less = sock({ [SK_RMEM]: 50_000, [SK_WMEM]: 500_000, ...CLOSED })
  const most = sock({ [SK_RMEM]: 60_000 })
  for (let ms = 0; ms < 1000; ms++) later()
  sock({ [SK_RMEM]: 70_000, [TP_LRCVTIME]: 900 })
  expect(oom.trimRcv(asker)).toBe(true)
  later()
  expect(oom.trimRcv(asker)).toBe(true)
  later()
  expect(oom.trimRcv(asker)).toBe(false)
  expect(reset).toEqual([most, less])
})
test('of the receivers that have no more than their minimum one that nobody has read for a second', () => {
  const { oom, sock, later, reset } = setup()
  const asker = sock({ [SK_RMEM]: 0 })
  const old = sock({ [SK_RMEM]: 3000, [TP_LRCVTIME]: 0 })
  for (let ms = 0; ms < 1000; ms++) later()
  const fresh = sock({ [SK_RMEM]: 4000, [TP_LRCVTIME]: 900 })
  expect(oom.trimRcv(asker)).toBe(true)
  later()
  expect(oom.trimRcv(asker)).toBe(false)
  expect(reset).toEqual([old])
  for (let ms = 0; ms < 1000; ms++) later()
  expect(oom.trimRcv(asker)).toBe(true)
  expect(reset).toEqual([old, fresh])
})
test('not the one who asks, and not twice in a millisecond', () => {
  const { oom, sock, later, reset } = setup()
  const asker = sock({ [SK_WMEM]: 100_000, ...CLOSED })
  expect(oom.trimSnd(asker)).toBe(false)
  const others = [1, 2].map(() => sock({ [SK_WMEM]: 50_000, ...CLOSED }))
  later()
  expect([oom.trimSnd(asker), oom.trimSnd(asker)]).toEqual([true, false])
  later()
  expect(oom.trimSnd(asker)).toBe(true)
  expect(reset.sort()).toEqual(others.sort())
})
