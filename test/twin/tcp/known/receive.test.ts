// Reasons of what is received take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import type { Run } from '../play.ts'
import { differing, reasonOf, text } from './differing.ts'

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
  test('nor where what it brings again lies behind that, or is a FIN', () => {
    for (const [end, again] of [
      ['. 1461 len 1460', '. 2925 len 10'],
      ['F. 2920', 'F. 2925'],
    ])
      expect(reasonOf(run(`< ${end} ack 1; < ${again} ack 1; < . 2921 len 10 ack 1`))).toContain(
        'tcp_ooo_try_coalesce'
      )
    const apart = '< F. 2920 ack 1; < F. 2931 ack 1; < . 2921 len 10 ack 1'
    expect(reasonOf(run(apart))).toBeNull()
  })
  test('is reported else', () => {
    const steps = [`${first}; < . 2920 len 11 ack 1`, `${first}; < . 2921 len 10 ack 1`]
    for (const one of steps) expect(reasonOf(run(one))).toBeNull()
  })
})

describe('a segment whose acknowledgement is old', () => {
  const stamped = (stamp: number): string =>
    text(1, 1).replace(' tos', ` [nop, nop, ts ecr ${stamp}] tos`)
  const steps = (old: number): string =>
    `< . 1 ack 101 [ts 7 0]; < . 1 len 100 ack ${old} [nop, nop, ts 9 0]`
  const run = (old: number, kernel: string, softnet: string): Run =>
    differing({ steps: steps(old), sent: [text(1, 101)], kernel: [kernel], softnet: [softnet] })
  test('has a stamp that the kernel takes', () => {
    expect(reasonOf(run(1, stamped(9), stamped(7)))).toContain('RFC 5961 5')
    expect(reasonOf(run(101, stamped(9), stamped(7)))).toBeNull()
    expect(reasonOf(run(1, stamped(8), stamped(7)))).toBeNull()
  })
  test('has text that the kernel takes', () => {
    const taken = (octets: number): string => `file 0 bytes_received ${octets}`
    expect(reasonOf(run(1, taken(100), taken(0)))).toContain('RFC 5961 5')
    expect(reasonOf(run(1, taken(0), taken(100)))).toBeNull()
    expect(reasonOf(run(101, taken(100), taken(0)))).toBeNull()
  })
})

describe('a stamp of a peer that has offered none', () => {
  const echo = text(1, 1).replace(' tos', ' [nop, nop, ts ecr 5] tos')
  const run = (syn: string, before: string): Run =>
    differing({
      steps: `< S 0 [${syn}]; < . 2 ack 2`,
      before,
      kernel: [echo],
      softnet: [text(1, 1)],
    })
  test('is echoed by a TIME-WAIT of the kernel', () => {
    expect(reasonOf(run('mss 1460', '0 LISTEN'))).toContain('RFC 7323 3.2')
    expect(reasonOf(run('ts 5 0', '0 LISTEN'))).toBeNull()
    expect(reasonOf(run('mss 1460', '0 ESTAB OUT'))).toBeNull()
  })
})

describe('a FIN out of order', () => {
  const run = (steps: string): Run =>
    differing({ steps, kernel: ['file 0 CLOSE-WAIT IN OUT'], softnet: ['file 0 ESTAB IN OUT'] })
  test('is taken by the kernel to the end of what lies behind it', () => {
    expect(
      reasonOf(run('< F. 11 len 10 ack 1; < . 21 len 10 ack 1; < . 1 len 10 ack 1'))
    ).toContain('nothing follows a FIN')
    expect(reasonOf(run('< F. 11 len 10 ack 1; < . 1 len 10 ack 1'))).toBeNull()
  })
})

describe('what comes twice', () => {
  const report = (sack: string): string =>
    text(1, 1).replace(' tos', ` [nop, nop, sack ${sack}] tos`)
  const run = (softnet: string): Run =>
    differing({ steps: '< . 1 len 10 ack 1', kernel: [text(1, 1)], softnet: [softnet] })
  test('is forgotten by the kernel before it is reported', () => {
    expect(reasonOf(run(report('0 1')))).toContain('RFC 2883 4')
    // what is reported of a hole is no duplicate
    expect(reasonOf(run(report('11 21')))).toBeNull()
  })
})

describe('an urgent octet', () => {
  const run = (steps: string, kernel = 'file 0 ESTAB IN PRI OUT'): Run =>
    differing({ steps, kernel: [kernel], softnet: ['file 0 ESTAB IN OUT'] })
  test('that lies in a header is taken by the kernel alone', () => {
    expect(reasonOf(run('< U. 1 ack 1 urg 10; < . 12 len 10 ack 1'))).toContain('RFC 9293 3.8.5')
    expect(reasonOf(run('< U. 1 ack 1 urg 10; < . 80 len 10 ack 1'))).toBeNull()
    expect(
      reasonOf(run('< U. 1 ack 1 urg 10; < . 12 len 10 ack 1', 'file 0 CLOSE-WAIT'))
    ).toBeNull()
  })
})
