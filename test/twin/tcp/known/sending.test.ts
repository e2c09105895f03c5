// Reasons of how much goes at once, and how it is cut, take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import type { Run } from '../play.ts'
import { differing, reasonOf, show, text } from './differing.ts'

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

describe('text that softnet sends in Disorder', () => {
  const first = [text(1, 525), text(525, 1049), text(1049, 1461), text(1461, 1985)]
  const limited = (again: string[], state: number): Run => {
    const steps = '0 send 1985; < . 1 ack 1049 [sack 1461 1985]; 0 send 10000'
    const kernel = [text(1985, 2509), again[0]!, 'file 0 ca_state 4 unacked 12 lost 12']
    const fresh = [text(1985, 2509), text(2509, 3033)]
    const softnet = [...fresh, again[1]!, 'file 0 ca_state 4 unacked 16 lost 16']
    const run = differing({ steps, sent: first, kernel, softnet })
    run.halves[0].flow.sent = 2509
    run.halves[1].flow.sent = 3033
    for (const half of run.halves) show(half, { ca_state: state, snd_mss: 524 })
    return run
  }
  const cut = [text(1049, 1573), text(1049, 1461)]
  test('is a reason beside that of what goes again', () => {
    expect(reasonOf(limited(cut, 4))).toMatch(/^RFC 3042 2: .* besides, a super-frame/)
    expect(reasonOf(limited([cut[0]!, cut[0]!], 4))).toMatch(/^RFC 3042 2: (?!.*besides)/)
  })
  test('is none where nothing was reported, or something else differs', () => {
    expect(reasonOf(limited(cut, 0))).toBeNull()
    expect(reasonOf(limited([cut[0]!, text(1049, 1500)], 4))).toBeNull()
  })
})

describe('silence of about an RTO, or more of them', () => {
  const silent = (idleMs: number, step = '0 send 3000', more = 'snd_cwnd 10'): Run => {
    const softnet = ['3000', `file 0 ${more} notsent_bytes 3000`]
    const kernel = ['3000', 'file 0 notsent_bytes 3000']
    const run = differing({ steps: `< . 1 ack 1; ${step}`, kernel, softnet })
    for (const half of run.halves) {
      half.idleMs = idleMs
      half.rtosBefore = new Map([[0, 220]])
    }
    return run
  }
  test('has ended slow start for one of them', () => {
    for (const ms of [190, 220, 250, 430]) expect(reasonOf(silent(ms))).toContain('RFC 5681 4.1')
  })
  test('not where it was shorter or longer, nothing is written, or something else has changed', () => {
    for (const ms of [100, 300, 350]) expect(reasonOf(silent(ms))).toBeNull()
    expect(reasonOf(silent(220, '0 recv 3000'))).toBeNull()
    expect(reasonOf(silent(220, '0 send 3000', 'snd_ssthresh 10'))).toBeNull()
  })
})

describe('a super-frame of which part is reported', () => {
  const run = (kernel: string[], softnet: string[]): Run =>
    differing({ steps: '< . 1 ack 1', sent: [text(1, 2921)], kernel, softnet })
  test('has PSH elsewhere when it goes again', () => {
    const [pushed, bare] = [text(1, 1461, 'P'), text(1, 1461)]
    expect(reasonOf(run([pushed], [bare]))).toContain('has PSH at the end')
    expect(reasonOf(run([text(2921, 4381, 'P')], [text(2921, 4381)]))).toBeNull()
  })
})
