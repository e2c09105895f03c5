import { describe, expect, test } from 'bun:test'
import { createTime, TIME_MS } from '../../../core/base/time.ts'
import { createTimerWheel, TIMER_WORDS, WHEEL_WORDS } from '../../../core/base/timer-wheel.ts'

const BASE = 8
const make = (timers: number, now = 0) => {
  const i32 = new Int32Array(BASE + WHEEL_WORDS + timers * TIMER_WORDS)
  const time = createTime()
  time[TIME_MS] = now
  const wheel = createTimerWheel(i32, BASE, time)
  /** Turns the clock and the wheel. */
  const turnTo = (ms: number): number => {
    time[TIME_MS] = ms
    return wheel.advance()
  }
  return { wheel, time, turnTo, timer: (k: number) => BASE + WHEEL_WORDS + k * TIMER_WORDS }
}

describe('the timer wheel', () => {
  test.each([1, 2, 63, 64, 65, 4095, 4096, 4097, 262143, 262145, 20000000])(
    'fires a timer of %d ms in its jiffy, not before',
    (delay) => {
      for (const start of [0, 1, 63, 64, 1000, 0x7ffffff0, -5]) {
        const { wheel, timer, turnTo } = make(1, start)
        let firedAt: number | undefined
        const fn = wheel.register(() => {
          firedAt = wheel.now()
        })
        wheel.arm(timer(0), delay, fn)
        turnTo((start + delay - 1) | 0)
        expect(firedAt).toBeUndefined()
        turnTo((start + delay) | 0)
        expect(firedAt).toBe((start + delay) | 0)
        expect(wheel.count()).toBe(0)
      }
    }
  )

  test('agrees with a sorted list under random arming, cancelling and turning', () => {
    const { wheel, timer, turnTo } = make(50, 12345)
    const due = new Map<number, number>()
    const fired: number[] = []
    let seed = 7
    const random = (n: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
      return (seed >>> 8) % n
    }
    const fn = wheel.register((t) => {
      expect(due.get(t)).toBe(wheel.now())
      due.delete(t)
      fired.push(t)
    })
    for (let step = 0; step < 20000; step++) {
      const t = timer(random(50))
      const what = random(4)
      if (what === 0) {
        wheel.cancel(t)
        due.delete(t)
      } else if (what < 3) {
        const delay = 1 + random(random(2) ? 100 : 70000)
        wheel.arm(t, delay, fn)
        due.set(t, (wheel.now() + delay) | 0)
      } else turnTo((wheel.now() + random(300)) | 0)
      expect(wheel.count()).toBe(due.size)
    }
    expect(fired.length).toBeGreaterThan(1000)
  })

  test('never says to look later than the next timer, and seldom much earlier', () => {
    let seed = 3
    const random = (n: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
      return (seed >>> 8) % n
    }
    let early = 0
    for (let round = 0; round < 3000; round++) {
      const { wheel, timer } = make(3, random(2) ? random(100000) : 0x7fffff00 + random(500))
      const fn = wheel.register(() => {})
      let next = 1000
      for (let k = 0; k < 3; k++) {
        const delay = 1 + random([70, 600, 5000, 400000][random(4)]!)
        wheel.arm(timer(k), delay, fn)
        next = Math.min(next, delay)
      }
      const said = wheel.nextDelay(1000)
      expect(said).toBeLessThanOrEqual(next)
      expect(said).toBeGreaterThan(0)
      if (said < next - 64) early++
    }
    expect(early).toBeLessThan(1500)
  })

  test('re-arms from its own callback', () => {
    const { wheel, timer, turnTo } = make(1)
    let times = 0
    const fn = wheel.register((t) => {
      if (++times < 5) wheel.arm(t, 64, fn)
    })
    wheel.arm(timer(0), 64, fn)
    for (let ms = 1; ms <= 1000; ms++) turnTo(ms)
    expect(times).toBe(5)
  })

  test.each([1, 63, 64, 900, 1000, 5000])(
    'counts a delay from the time, not from where %d ms of sleep have left the wheel',
    (nap) => {
      for (const start of [0, 63, 4095, 0x7ffffe00]) {
        const { wheel, timer, time, turnTo } = make(2, start)
        const fired: number[] = []
        const fn = wheel.register(() => void fired.push((time[TIME_MS]! - start) | 0))
        const never = wheel.register(() => {})
        // one that is always armed, so that the wheel cannot jump
        wheel.arm(timer(1), 15_000, never)
        // the thread wakes, and what it does first arms a timer; the wheel is turned behind it
        time[TIME_MS] = (start + nap) | 0
        wheel.arm(timer(0), 1000, fn)
        wheel.advance()
        for (let ms = nap + 1; ms <= nap + 1100; ms++) turnTo((start + ms) | 0)
        expect(fired).toEqual([nap + 1000])
      }
    }
  )

  test('fires a timer that came late once, and counts its next delay from then', () => {
    const { wheel, timer, turnTo } = make(1)
    const delays = [200, 400, 800]
    let fired = 0
    const fn = wheel.register((t) => wheel.arm(t, delays[++fired]!, fn))
    wheel.arm(timer(0), delays[0]!, fn)
    // the thread was held up for long: a retransmission timer must not run through its backoff at once
    turnTo(10_000)
    expect(fired).toBe(1)
    turnTo(10_399)
    expect(fired).toBe(1)
    turnTo(10_400)
    expect(fired).toBe(2)
  })

  test('says when to look again, never later than the next timer', () => {
    const { wheel, timer } = make(1)
    const fn = wheel.register(() => {})
    expect(wheel.nextDelay(1000)).toBe(1000)
    wheel.arm(timer(0), 10, fn)
    expect(wheel.nextDelay(1000)).toBe(10)
    // the turn at which its slot of the second level comes down
    wheel.arm(timer(0), 500, fn)
    expect(wheel.nextDelay(1000)).toBe(448)
  })
})
