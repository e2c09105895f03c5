// The reasons of the TCP twin take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import { INFO } from './end.ts'
import { isKnown, KNOWN_TCP } from './known.ts'
import { apartOf, type Half, isSameTime, type Line, makeRun, type Run } from './play.ts'
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

describe('a handshake whose SYNs have crossed', () => {
  const sends = (steps: string): Run => {
    const more = [text(1, 1001)]
    const run = differing({ steps, sent: [text(0, 1)], kernel: more, softnet: [] })
    run.halves[0].flow.sent = 1001
    return run
  }
  const SYN = '0 connect; < S 0 win 0 [wscale 14]'
  test('ends with a SYN-ACK whose window the kernel scales', () => {
    expect(reasonOf(sends(`${SYN}; < SP. 0 ack 1 win 1; 0 send 1000`))).toContain('RFC 7323 2.2')
    for (const steps of [
      `${SYN}; < P. 1 ack 1 win 1; 0 send 1000`,
      '0 connect; < S 0 win 0; < SP. 0 ack 1 win 1; 0 send 1000',
      '0 connect; < SP. 0 ack 1 win 1 [wscale 14]; 0 send 1000',
    ])
      expect(reasonOf(sends(steps))).toBeNull()
  })
  const counted = (last: string, softnet: string[]): Run =>
    differing({ steps: `${SYN}; ${last}; < . 1459 ack 1 win 1000`, kernel: [], softnet })
  test('ends with a segment whose window the kernel does not count', () => {
    const shown = ['file 0 snd_mss 1220 delivered 12']
    expect(reasonOf(counted('< . -1 len 1460', shown))).toContain('Max(SND.WND)')
    expect(reasonOf(counted('< . 1 len 1460', shown))).toBeNull()
    expect(reasonOf(counted('< . -1 len 1460 win 0', shown))).toBeNull()
    expect(reasonOf(counted('< . -1 len 1460', ['file 0 snd_cwnd 12']))).toBeNull()
  })
})

describe('a window that one does not take', () => {
  const steps =
    '0 send 10000; < . 1001 ack 1 win 1; < . 1 len 100 ack 1 win 1; < P. 101 len 1 ack 1'
  const acknowledged = text(1, 1).replace('ack 1', 'ack 102')
  const sends = (first: string): Run => {
    const run = differing({ steps, sent: [text(0, 1)], kernel: [first], softnet: [acknowledged] })
    run.halves[0].flow.sent = 289
    return run
  }
  test('lets the other send text, with which its acknowledgement goes', () => {
    expect(reasonOf(sends(text(1, 289)))).toContain('tcp_update_wl')
  })
  test('and nothing but text', () => {
    expect(reasonOf(sends(text(0, 0)))).toBeNull()
  })
})

describe('a segment between the edges of the two windows', () => {
  const at = (seq: number, kernel: string[], softnet: string[] = []): Run => {
    const steps = `< . 11 len 1 ack 1 win 1; < . ${seq} len 100 ack 1; 0 send 1000`
    const run = differing({ steps, sent: [text(0, 1)], kernel, softnet })
    run.edges = run.edges.map(() => [42369, 42340])
    run.halves[0].flow.sent = 1001
    return run
  }
  const sends = [text(1, 537), text(537, 1001, 'P')]
  test('has a window that one of them has not taken', () => {
    expect(reasonOf(at(42367, sends))).toContain('windows go by memory')
    expect(reasonOf(at(42367, ['> F. 1:1(0) ack 2 win 42368']))).toContain('windows go by memory')
  })
  test('not where it lies in both, or something else is sent', () => {
    expect(reasonOf(at(42100, sends))).toBeNull()
    expect(reasonOf(at(42367, ['> . 1:1(0) ack 2 win 42368']))).toBeNull()
    expect(reasonOf(at(42367, sends, ['> R. 1:1(0) ack 2 win 0']))).toBeNull()
  })
})

describe('an old acknowledgement', () => {
  const sentBy = (step: string, kernel: string[]): Run =>
    differing({ steps: `< . 1 ack 101; ${step}`, sent: [text(1, 9101)], kernel, softnet: [] })
  test('lets the kernel send what waits', () => {
    const lines = [text(9101, 10321), text(10321, 11541, 'P'), 'file 1 unacked 10']
    expect(reasonOf(sentBy('< . 1 ack 0', lines))).toContain('sends what waits after')
    expect(reasonOf(sentBy('< . 1 ack 102', lines))).toBeNull()
    expect(reasonOf(sentBy('< . 1 ack 0', [...lines, 'file 1 snd_cwnd 11']))).toBeNull()
  })
  test('lets it send nothing again', () => {
    expect(reasonOf(sentBy('< . 1 ack 0', [text(7881, 9101)]))).toBeNull()
  })
})

describe('text behind a hole that comes twice', () => {
  const reports = (line: string, sack: string): string =>
    line.replace(' tos', ` [nop, nop, sack ${sack}] tos`)
  const run = (steps: string, sack = '2921 2922 1461 2931'): Run => {
    const [kernel, softnet] = ['1461 2931', sack].map((one) => [reports(text(2, 2), one)])
    return differing({ steps, kernel: kernel!, softnet: softnet! })
  }
  const first = '< . 1461 len 1460 ack 1'
  test('is not seen by the kernel where it goes on from a segment, and another has brought it', () => {
    const steps = `${first}; < . 1462 len 1460 ack 1; < . 2921 len 10 ack 1`
    expect(reasonOf(run(steps))).toContain('tcp_ooo_try_coalesce')
    expect(reasonOf(run(steps, '2921 2922 3000 3010'))).toBeNull()
  })
  test('is reported else', () => {
    const steps = [`${first}; < . 2920 len 11 ack 1`, `${first}; < . 2921 len 10 ack 1`]
    for (const one of steps) expect(reasonOf(run(one))).toBeNull()
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
      half.rtosBefore = new Map([[0, 220]])
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
  test('may be apart by as much more as nobody looked, or RTOs are', () => {
    expect(isSameTime(0, line(200, 200), line(240, 240))).toBe(false)
    expect(isSameTime(10, line(200, 200), line(240, 240))).toBe(true)
    const { halves } = differing({ steps: 'wait 700', kernel: [], softnet: [] })
    halves[0].rtosBefore = new Map([[0, 334]])
    expect(apartOf(0, halves)).toBe(0)
    halves[1].rtosBefore = new Map([[0, 445]])
    expect(apartOf(0, halves)).toBe(111)
    halves[1].rtosBefore = new Map([[0, 1000]])
    expect(apartOf(0, halves)).toBe(0)
  })
})
