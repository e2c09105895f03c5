// Reasons of windows take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import type { Run } from '../play.ts'
import { differing, reasonOf, show, text } from './differing.ts'

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
  test('so its old stamp is one of something that was overtaken to softnet alone', () => {
    const answers = (steps: string): string | null => {
      const run = differing({ steps, kernel: [text(1, 1)], softnet: [] })
      run.halves[0].acked = 1
      return reasonOf(run)
    }
    const ahead = '< . 42340 ack 1; < . 11 len 10 ack 1 [ts 100 0]'
    for (const flags of ['.', 'P.'])
      expect(answers(`${ahead}; < ${flags} 21 ack 1 [ts 99 0]`)).toContain('tcp_update_wl')
    expect(answers(`${ahead}; < . 21 ack 1 [ts 100 0]`)).toBeNull()
    expect(answers(`${ahead}; < . 21 ack 1`)).toBeNull()
    expect(answers('< . 11 len 10 ack 1 [ts 100 0]; < . 21 ack 1 [ts 99 0]')).toBeNull()
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
    const answered = (win: number, mss: number): string[] => [
      `> . 1:1(0) ack 1 win ${win}`,
      `file 0 rcv_mss ${mss}`,
    ]
    const sides = { kernel: answered(42368, 88), softnet: answered(42340, 524) }
    const old = `${SYN}; < . -99 len 100`
    expect(reasonOf(differing({ steps: old, ...sides }))).toContain('Max(SND.WND)')
    const other = sides.softnet.map((line) => line.replace('ack 1', 'ack 2'))
    expect(reasonOf(differing({ steps: old, ...sides, softnet: other }))).toBeNull()
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
  test('cuts the last segment of the other', () => {
    const cut = (rest: string): Run => {
      const run = differing({
        steps: '< . 101 ack 1; < . 1 len 100 ack 1; < . 101 ack 1 win 50; 0 send 150',
        sent: [text(0, 1)],
        kernel: [text(1, 51, 'P').replace('win 65535', rest)],
        softnet: [text(1, 101), text(101, 151, 'P')],
      })
      run.halves[1].flow.sent = 151
      return run
    }
    expect(reasonOf(cut('win 65535'))).toContain('tcp_update_wl')
    expect(reasonOf(cut('win 65535 [nop]'))).toBeNull()
  })
})

describe('the window of a SYN', () => {
  const sends = (win: number, scale: number, softnet: string[] = []): Run => {
    const steps = `< S. 0 ack 1 win 4000 [wscale ${scale}]; < . 1 len 9 ack 1; < . 10 ack 1 win ${win}; wait 60`
    return differing({ steps, sent: [text(1, 1461)], kernel: [text(1221, 1461, 'P')], softnet })
  }
  test('is the same to the kernel without what the scale leaves out', () => {
    expect(reasonOf(sends(0, 200))).toContain('tcp_fast_path_on')
    expect(reasonOf(sends(31, 7))).toContain('tcp_fast_path_on')
    expect(reasonOf(sends(125, 5))).toBeNull()
    expect(reasonOf(sends(30, 7))).toBeNull()
    expect(reasonOf(sends(31, 7, [text(1, 1221)]))).toBeNull()
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

describe('an answer that is one too many', () => {
  const last = (seq: number, ack: number): Run => {
    const steps = `< . ${seq} len 1 ack ${ack}; 0 shutdown rdwr; < . 1461 ack 3`
    const softnet = ['> . 2:2(0) ack 1 win 45260']
    const run = differing({ steps, sent: [text(0, 1)], kernel: [], softnet })
    run.edges = run.edges.map((_, k) => (k === 0 ? [46772, 46721] : [46772, 46772]))
    run.halves[0].acked = 1
    return run
  }
  test('shows that the one before lay in one of the two windows', () => {
    const reason = 'the segment lies in the one’s and not in the other’s'
    for (const ack of [70001, -999]) expect(reasonOf(last(46771, ack))).toContain(reason)
    expect(reasonOf(last(46000, 70001)) ?? '').not.toContain(reason)
    expect(reasonOf(last(46771, 1)) ?? '').not.toContain(reason)
  })
})

describe('memory', () => {
  test('has a segment in one of the two windows', () => {
    const run = (seq: number): Run => {
      const steps = `< . ${seq} len 10 ack 1`
      const one = differing({ steps, kernel: ['file 0 bytes_received 10'], softnet: [] })
      one.edges = [[1000, 900]]
      return one
    }
    for (const seq of [895, 950, 1000]) expect(reasonOf(run(seq))).toContain('windows go by memory')
    for (const seq of [100, 1001]) expect(reasonOf(run(seq))).toBeNull()
  })
  test('has a window that is smaller behind a hole', () => {
    const hole = text(1, 1).replace(' tos', ' [nop, nop, sack 11 21] tos')
    const run = (win: number, sent: string): Run => {
      const softnet = [text(1, 1).replace('win 65535', `win ${win}`)]
      return differing({ steps: '0 recv 1', sent: [sent], kernel: [text(1, 1)], softnet })
    }
    expect(reasonOf(run(40_000, hole))).toContain('windows go by memory')
    expect(reasonOf(run(30_000, hole))).toBeNull()
    expect(reasonOf(run(40_000, text(1, 1)))).toBeNull()
  })
})

describe('an acknowledgement', () => {
  const acknowledges = text(1, 1).replace('ack 1', 'ack 2001')
  const run = (size: number, softnet: string[] = []): Run => {
    const one = differing({ steps: '< . 1 len 2000 ack 1', kernel: [acknowledges], softnet })
    for (const half of one.halves) half.acked = 1
    show(one.halves[0], { rcv_mss: size })
    return one
  }
  test('of more than a segment is sent at once by one of them', () => {
    expect(reasonOf(run(1460))).toContain('RFC 9293 3.8.6.3')
    expect(reasonOf(run(2000))).toBeNull()
    expect(reasonOf(run(1460, ['> R 1:1(0) win 0 tos 0 ttl 64']))).toBeNull()
  })
  test('of text and a FIN came in the tick after, which TCP_QUICKACK tells', () => {
    const asked = (steps: string): Run =>
      differing({ steps: `${steps}; 0 get TCP_QUICKACK`, kernel: ['1'], softnet: ['0'] })
    expect(reasonOf(asked('< F. 1 len 100 ack 1'))).toContain('RFC 9293 3.8.6.3')
    expect(reasonOf(asked('< F. 1 ack 1'))).toBeNull()
  })
  test('left the mode that a window enters which only one has let grow for text behind a hole', () => {
    const asked = (sent: string, edge: number): Run => {
      const steps = '< . 2 len 100 ack 1; 0 send 1; 0 get TCP_QUICKACK'
      const one = differing({ steps, sent: [sent], kernel: ['1'], softnet: ['0'] })
      one.halves[1].flow.edge = edge
      return one
    }
    const hole = text(1, 1).replace(' tos', ' [nop, nop, sack 2 102] tos')
    expect(reasonOf(asked(hole, 100))).toContain('RFC 9293 3.8.6.3')
    expect(reasonOf(asked(hole, 0))).toBeNull()
    expect(reasonOf(asked(text(1, 1), 100))).toBeNull()
  })
})
