// The reasons of the TCP twin take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import { INFO } from './end.ts'
import { isKnown, KNOWN_TCP } from './known.ts'
import { type Half, isSameTime, type Line, makeRun, type Run } from './play.ts'
import { decodeCase } from './script.ts'

type Parts = {
  /** The last of them is where they part. */
  steps: string
  kernel: string[]
  softnet: string[]
  /** What the kernel sent before. */
  sent?: string[]
  before?: string
}
const ESTABLISHED = 1
const differing = ({ steps, kernel, softnet, sent = [], before = '0 ESTAB OUT' }: Parts): Run => {
  const given = decodeCase(`ipv4 isn 1000; ${steps}`)
  const run = makeRun('ipv4', 0, given.isn, () => null)
  run.steps.push(...given.steps)
  run.answers = given.steps.map((_, k) => (k === 0 ? sent : []))
  run.edges = given.steps.map(() => [65536, 65536])
  run.difference = { at: given.steps.length - 1, before, kernel, softnet }
  const ends = sent.map((line) => Number(/:(\d+)\(/.exec(line)?.[1]))
  for (const half of run.halves) half.flow.sent = half.hadSent = Math.max(1, ...ends)
  return run
}
const show = (half: Half, values: Record<string, number>): void => {
  const info = INFO.map(([name]) => values[name] ?? 0)
  half.shown.set(0, { state: ESTABLISHED, bits: 4, info })
}
const reasonOf = (run: Run): string | null => isKnown(KNOWN_TCP, run)
const text = (from: number, to: number, more = ''): string =>
  `> ${more === 'P' ? 'P' : ''}. ${from}:${to}(${to - from}) ack 1 win 65535 tos 0 ttl 64`

describe('a window that is taken back', () => {
  const ahead = '< . 42340 ack 1; < . 11 len 10 ack 1; 0 send 1000'
  const duplicate = {
    sent: [text(1, 1001)],
    kernel: [],
    softnet: ['file 0 ca_state 1 sacked 1 delivered 2'],
  }
  test('an acknowledgement behind the text brings the kernel a window, and softnet a duplicate', () => {
    expect(reasonOf(differing({ ...duplicate, steps: `${ahead}; < . 21 ack 1` }))).toContain(
      'tcp_update_wl'
    )
  })
  test('not where nothing was ahead of the text, or it is further ahead than that', () => {
    const steps = ['< . 11 len 10 ack 1; 0 send 1000; < . 21 ack 1', `${ahead}; < . 42341 ack 1`]
    for (const one of steps) expect(reasonOf(differing({ ...duplicate, steps: one }))).toBeNull()
  })
  test('not where it is the kernel that counts one', () => {
    const { kernel, softnet, sent } = duplicate
    const other = { kernel: softnet, softnet: kernel, sent, steps: `${ahead}; < . 21 ack 1` }
    expect(reasonOf(differing(other))).toBeNull()
  })
})

describe('pace', () => {
  const grown = (sizes: readonly number[], push = ''): string[] => {
    let at = 101
    return sizes.map((size) => text(at, (at += size), push))
  }
  const cut = (kernel: number[], softnet: number[], size = 730): Run => {
    const steps = '0 send 3000; < . 1 ack 101 win 1461'
    const sent = [text(1, 101)]
    const run = differing({ steps, sent, kernel: grown(kernel), softnet: grown(softnet) })
    show(run.halves[0], { snd_mss: size })
    run.otherPaces = [true, false]
    return run
  }
  test('puts small writes together otherwise, and lets more go at once', () => {
    expect(reasonOf(cut([500, 200, 200], [400, 200, 200]))).toContain('tcp_tso_autosize')
    expect(reasonOf(cut([730, 730, 730], [730, 730]))).toContain('tcp_tso_autosize')
  })
  test('does not cut what is as large as a segment otherwise', () => {
    expect(reasonOf(cut([730, 200], [530, 400]))).toBeNull()
  })
  test('is no reason where both had the same', () => {
    const run = cut([500, 200, 200], [400, 200, 200])
    run.otherPaces = [false, false]
    expect(reasonOf(run)).toBeNull()
  })
  test('and a stamp of an old acknowledgement are two reasons at once', () => {
    const stamped = (line: string, stamp: number): string =>
      line.replace(' tos', ` [nop, nop, ts ecr ${stamp}] tos`)
    const bothOf = (old: string): Run => {
      const run = differing({
        steps: `< S. 0 ack 1 [ts 1374 -]; < . 1 ack ${old} [nop, nop, ts 1391 0]; 0 send 1460`,
        sent: [text(0, 1)],
        kernel: grown([36, 36]).map((line) => stamped(line, 1391)),
        softnet: grown([36, 36, 36]).map((line) => stamped(line, 1374)),
      })
      show(run.halves[0], { snd_mss: 36 })
      run.otherPaces = [true, true]
      return run
    }
    expect(reasonOf(bothOf('0'))).toMatch(/^RFC 5961 5: .* besides, what goes at once/)
    expect(reasonOf(bothOf('1'))).toBeNull()
  })
})

describe('what goes again', () => {
  const first = [text(1, 537), text(537, 1073), text(1073, 1461), text(1461, 1997)]
  const steps = '0 send 1997; < . 1 ack 1 [sack 537 1997]; < . 1 ack 1073; wait 230'
  const again = (kernel: string[], softnet: string[], size = 536): Run => {
    const run = differing({ steps, sent: first, kernel, softnet })
    show(run.halves[0], { snd_mss: size })
    return run
  }
  const REASON = 'tcp_shift_skb_data). What goes again'
  test('is cut by the kernel as if it were one, by softnet as it went first', () => {
    expect(reasonOf(again([text(1073, 1609)], [text(1073, 1461, 'P')]))).toContain(REASON)
    const counts = ['file 0 lost 1', 'file 0 lost 2']
    const kernel = [text(1073, 1609), text(1609, 1997), counts[0]!]
    const softnet = [text(1073, 1461), text(1461, 1997), counts[1]!]
    expect(reasonOf(again(kernel, softnet))).toContain(REASON)
  })
  test('not by softnet anywhere else, by the kernel in no other size, and with nothing else', () => {
    const whole = [text(1073, 1609), text(1609, 1997)]
    const parts = [text(1073, 1461), text(1461, 1997)]
    expect(reasonOf(again(whole, [text(1073, 1500), text(1500, 1997)]))).toBeNull()
    expect(reasonOf(again(whole, parts, 540))).toBeNull()
    expect(reasonOf(again(whole, [...parts, 'file 0 snd_cwnd 3']))).toBeNull()
    expect(
      reasonOf(
        again(
          whole,
          parts.map((line) => line.replace('ack 1', 'ack 2'))
        )
      )
    ).toBeNull()
  })
  test('not where nothing was ever reported', () => {
    const run = again([text(1073, 1609)], [text(1073, 1461)])
    run.steps = run.steps.filter((_, k) => k !== 1)
    run.difference!.at--
    expect(reasonOf(run)).toBeNull()
  })
})

describe('what was taken back and is reported again', () => {
  const reported = (block: string, kernel: number, softnet: number): Run => {
    const steps = `0 send 1; < . 1 ack 7301 [sack 10001 14381]; wait 660; < . 1 ack 5841 [sack ${block}]`
    const lines = ['file 0 ca_state 1 sacked 1 lost 0']
    const run = differing({ steps, sent: [text(1, 14381)], kernel: [], softnet: lines })
    show(run.halves[0], { sacked: kernel })
    show(run.halves[1], { sacked: softnet })
    return run
  }
  test('is not known to the kernel in part', () => {
    expect(reasonOf(reported('10001 11461', 0, 1))).toContain('reneged')
    expect(reasonOf(reported('7301 8761 7301 8761 10001 11461', 0, 1))).toContain('reneged')
  })
  test('but as a whole, and so is what was not reported before', () => {
    for (const block of ['10001 14381', '12921 15841'])
      expect(reasonOf(reported(block, 0, 1))).toBeNull()
    expect(reasonOf(reported('10001 11461', 1, 0))).toBeNull()
  })
})

describe('silence of about an RTO', () => {
  const silent = (idleMs: number, step = '0 send 3000', more = 'snd_cwnd 10'): Run => {
    const softnet = ['3000', `file 0 ${more} notsent_bytes 3000`]
    const kernel = ['3000', 'file 0 notsent_bytes 3000']
    const run = differing({ steps: `< . 1 ack 1; ${step}`, kernel, softnet })
    for (const half of run.halves) {
      half.idleMs = idleMs
      half.rtos.set(0, 220)
    }
    return run
  }
  test('has ended slow start for one of them', () => {
    for (const ms of [190, 220, 250]) expect(reasonOf(silent(ms))).toContain('RFC 5681 4.1')
  })
  test('not where it was shorter or longer, nothing is written, or something else has changed', () => {
    for (const ms of [100, 300]) expect(reasonOf(silent(ms))).toBeNull()
    expect(reasonOf(silent(220, '0 recv 3000'))).toBeNull()
    expect(reasonOf(silent(220, '0 send 3000', 'snd_ssthresh 10'))).toBeNull()
  })
})

describe('when something was sent', () => {
  const line = (afterMs: number, sinceMs: number): Line => ({
    text: text(1, 101),
    atMs: 1,
    afterMs,
    sinceMs,
  })
  test('counts from what the host sent, or from what was done to it after that', () => {
    expect(isSameTime(0, line(200, 300), line(230, 400))).toBe(true)
    expect(isSameTime(0, line(400, 44), line(460, 40))).toBe(true)
  })
  test('not from what was done before it sent something', () => {
    expect(isSameTime(0, line(200, 300), line(250, 300))).toBe(false)
    expect(isSameTime(0, line(40, 44), line(460, 44))).toBe(false)
  })
  test('may be apart by as much more as nobody looked', () => {
    expect(isSameTime(0, line(200, 200), line(240, 240))).toBe(false)
    expect(isSameTime(10, line(200, 200), line(240, 240))).toBe(true)
  })
})
