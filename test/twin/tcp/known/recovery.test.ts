// Reasons of reports and losses take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import type { Run } from '../play.ts'
import { differing, reasonOf, show, text } from './differing.ts'

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

describe('a sample of the round trip', () => {
  const ended = (block: string, again: number, kernel = 'file 0 unacked 0'): Run => {
    const steps = `< . 1461 ack 11 ${block}; wait 230; 0 send 1460; < P. 1461 ack 11471`
    const softnet = ['file 0 backoff 0 unacked 0']
    const run = differing({ steps, sent: [text(1, 11471)], kernel: [kernel], softnet })
    show(run.halves[0], { total_retrans: again })
    return run
  }
  test('ends the backoff of one, where what is reported may have been sent again', () => {
    expect(reasonOf(ended('[sack 5851 10011]', 3))).toContain('RFC 6298')
    expect(reasonOf(ended('', 3))).toBeNull()
    expect(reasonOf(ended('[sack 5851 10011]', 0))).toBeNull()
    expect(reasonOf(ended('[sack 5851 10011]', 3, 'file 0 unacked 1'))).toBeNull()
  })
})

describe('a segment that is reported twice', () => {
  const late = (blocks: string, again: number, softnet = 'file 0 sacked 5'): Run => {
    const run = differing({
      steps: `< . 1 ack 1401 [sack 4401 8601]; < . 1 ack 1401 [sack ${blocks}]`,
      sent: [text(1, 10401)],
      kernel: ['file 0 sacked 5 reordering 4'],
      softnet: [softnet],
    })
    show(run.halves[0], { total_retrans: again })
    return run
  }
  test('is out of order for one, where what is reported may have been sent again', () => {
    expect(reasonOf(late('5801 7201 5801 9001', 2))).toContain('RFC 6298')
    expect(reasonOf(late('5801 7201 5801 9001', 0))).toBeNull()
    expect(reasonOf(late('5801 9001', 2))).toBeNull()
    expect(reasonOf(late('5801 7201 5801 9001', 2, 'file 0 sacked 4'))).toBeNull()
  })
})

describe('a block', () => {
  const run = (last: string, starts: number[]): Run => {
    const steps = `< . 1 ack 1 [sack 2000 4381]; < . 1 ack 1 [sack ${last}]`
    const one = differing({
      steps,
      sent: [text(1, 4381)],
      kernel: [],
      softnet: ['file 0 sacked 2'],
    })
    show(one.halves[0], { sacked: 1 })
    show(one.halves[1], { sacked: 2 })
    one.halves[0].flow.starts = new Set(starts)
    return one
  }
  test('that ends in one of before reports to the kernel no segment that lies in both', () => {
    expect(reasonOf(run('1461 4381', [1, 1461, 2921]))).toContain('tcp_sacktag_write_queue')
    expect(reasonOf(run('1461 4381', [1, 1461, 2000]))).toBeNull()
    expect(reasonOf(run('1461 4400', [1, 1461, 2921]))).toBeNull()
  })
})

describe('what is missing', () => {
  const sent = [text(1, 1461), text(1461, 2921)]
  const fresh = text(2921, 4381)
  const run = (
    kernel: string[],
    softnet: string[],
    step = '< . 1 ack 1461 [sack 2000 2921]'
  ): Run => {
    const one = differing({ steps: `0 send 2920; ${step}`, sent, kernel, softnet })
    show(one.halves[1], { ca_state: 3 })
    return one
  }
  test('goes again by a timer of the kernel, behind new text', () => {
    expect(reasonOf(run([fresh], [text(1461, 2921)]))).toContain('tcp_rack_detect_loss')
    expect(reasonOf(run([fresh, text(1461, 2921)], [text(1461, 2921)]))).toContain(
      'tcp_rack_detect_loss'
    )
    expect(reasonOf(run([fresh], [text(1461, 2921)], '< . 1 ack 1461'))).toBeNull()
    expect(reasonOf(run([], [text(1461, 2921)]))).toBeNull()
  })
  test('goes again in part behind new text, whatever window the two have', () => {
    const [first, second] = [text(1, 731), text(731, 1461)]
    const windows = (lines: string[], win: number): string[] =>
      lines.map((line) => line.replace(/ win \d+/, ` win ${win}`))
    const kernel = windows([first, fresh, second], 339)
    const step = '< . 1 len 10 ack 1 [sack 2000 2921]'
    for (const win of [339, 340])
      expect(reasonOf(run(kernel, windows([first, second, fresh], win), step))).toContain(
        'tcp_rack_detect_loss'
      )
    expect(reasonOf(run(kernel, windows([second, first, fresh], 340), step))).toBeNull()
  })
  test('goes again so where what is acknowledged has gone with it, and not before', () => {
    const later = (steps: string, lines: string[]): string | null => {
      const one = differing({ steps, sent: lines, kernel: [fresh], softnet: [text(1461, 2921)] })
      show(one.halves[1], { ca_state: 3 })
      return reasonOf(one)
    }
    const [ends, reports] = ['< . 1 ack 1461', '< . 1 ack 1461 [sack 2000 2921]']
    const again = [text(1, 731), text(1461, 2921)]
    expect(later(`0 send 2920; ${reports}`, again)).toContain('tcp_rack_detect_loss')
    expect(later(`0 send 2920; ${ends}; ${reports}`, again)).toBeNull()
    expect(later(`0 send 2920; ${reports}`, again.slice(1))).toBeNull()
  })
  test('goes again so where a recovery has ended with it', () => {
    const again = ['file 0 snd_ssthresh 5']
    const anew = (more: string[]): string | null => {
      const one = run([fresh, ...more], [text(1461, 2921), ...more])
      one.halves[0].hadLost = true
      return reasonOf(one)
    }
    expect(anew(again)).toContain('tcp_rack_detect_loss')
    expect(anew([])).toBeNull()
  })
  test('goes again by a timer of the kernel, behind no text, when its window has grown', () => {
    const again = (more: string): string[] => [text(1461, 2921), `file 0 ca_state 3 ${more}`]
    const softnet = again('snd_ssthresh 5 snd_cwnd 5')
    expect(reasonOf(run(again('snd_ssthresh 7 snd_cwnd 2'), softnet))).toContain(
      'tcp_rack_detect_loss'
    )
    expect(reasonOf(run(again('lost 2 snd_ssthresh 7 snd_cwnd 2'), softnet))).toBeNull()
    expect(reasonOf(run(again('snd_cwnd 2'), softnet, '< . 1 ack 1461'))).toBeNull()
  })
  test('is counted twice by the kernel when it has gone again twice', () => {
    const count = (n: number): string[] => [`file 0 lost 1 retrans ${n} snd_cwnd 2`]
    expect(reasonOf(run(count(2), count(1)))).toContain('the kernel counts it twice')
    expect(reasonOf(run(count(1), count(2)))).toBeNull()
  })
})
