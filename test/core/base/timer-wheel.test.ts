import { describe, expect, test } from 'bun:test'
import { createTimerWheel, TIMER_WORDS, WHEEL_WORDS } from '../../../core/base/timer-wheel.ts'

const BASE = 8
const make = (timers: number, now = 0) => {
  const i32 = new Int32Array(BASE + WHEEL_WORDS + timers * TIMER_WORDS)
  const wheel = createTimerWheel(i32, BASE, now)
  return { wheel, timer: (k: number) => BASE + WHEEL_WORDS + k * TIMER_WORDS }
}

describe('the timer wheel', () => {
  test.each([1, 2, 63, 64, 65, 4095, 4096, 4097, 262143, 262145, 20000000])(
    'fires a timer of %d ms in its jiffy, not before',
    (delay) => {
      for (const start of [0, 1, 63, 64, 1000, 0x7ffffff0, -5]) {
        const { wheel, timer } = make(1, start)
        let firedAt: number | undefined
        const fn = wheel.register(() => {
          firedAt = wheel.now()
        })
        wheel.arm(timer(0), delay, fn)
        wheel.advance((start + delay - 1) | 0)
        expect(firedAt).toBeUndefined()
        wheel.advance((start + delay) | 0)
        expect(firedAt).toBe((start + delay) | 0)
        expect(wheel.count()).toBe(0)
      }
    }
  )

  test('agrees with a sorted list under random arming, cancelling and turning', () => {
    const { wheel, timer } = make(50, 12345)
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
      } else wheel.advance((wheel.now() + random(300)) | 0)
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
    const { wheel, timer } = make(1)
    let times = 0
    const fn = wheel.register((t) => {
      if (++times < 5) wheel.arm(t, 64, fn)
    })
    wheel.arm(timer(0), 64, fn)
    wheel.advance(1000)
    expect(times).toBe(5)
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
