// Reasons of what files show take the differences that they are of, and none that has another cause.

import { describe, expect, test } from 'bun:test'
import type { Run } from '../play.ts'
import { differing, reasonOf, text } from './differing.ts'

describe('a file', () => {
  test('whose connection is in TIME-WAIT has its port', () => {
    const run = (kernel: string): Run =>
      differing({ steps: '0 bind 1', kernel: [kernel], softnet: ['EINVAL'] })
    expect(reasonOf(run('EADDRINUSE'))).toContain('tcp_time_wait')
    expect(reasonOf(run('0'))).toBeNull()
  })
  test('forgets an error of ICMP with text that is not predicted', () => {
    const run = (steps: string, softnet = '0'): Run =>
      differing({ steps: `${steps}; 0 get SO_ERROR`, kernel: ['113'], softnet: [softnet] })
    const error = '< icmp 3 1 0 seq 1 quote 8'
    expect(reasonOf(run(`${error}; < . 1 len 10 ack 1`))).toContain('soft error')
    expect(reasonOf(run(`${error}; < . 1 ack 1`))).toBeNull()
    expect(reasonOf(run(`< . 1 len 10 ack 1; ${error}`))).toBeNull()
    expect(reasonOf(run(`${error}; < . 1 len 10 ack 1`, '111'))).toBeNull()
  })
  test('has its probes answered by text that is not predicted', () => {
    const run = (step: string, kernel: string): Run =>
      differing({ steps: step, kernel: [kernel], softnet: ['file 0 bytes_received 102'] })
    const answered = 'file 0 probes 0 bytes_received 102'
    const over = 'file 0 backoff 0 bytes_received 102'
    for (const shown of [answered, over])
      expect(reasonOf(run('< . 3 len 100 ack 1 win 0', shown))).toContain('answers probes')
    expect(reasonOf(run('< . 3 ack 1 win 0', answered))).toBeNull()
    expect(reasonOf(run('< . 3 len 100 ack 1 win 0', 'file 0 probes 2'))).toBeNull()
  })
  test('sends by the acknowledgement of such text before that is taken', () => {
    const by = (ack: number): string => text(101, 201).replace('ack 1', `ack ${ack}`)
    const answer = text(201, 201).replace('ack 1', 'ack 111')
    const run = (kernel: string[], step = '< . 11 len 100 ack 101'): string | null => {
      const one = differing({ steps: step, kernel, softnet: [by(111)] })
      for (const half of one.halves) half.acked = 11
      return reasonOf(one)
    }
    expect(run([by(11), answer])).toContain('taken after its acknowledgement')
    expect(run([by(11), answer], '< . 11 ack 101')).toBeNull()
    expect(run([by(12), answer])).toBeNull()
    expect(run([answer])).toBeNull()
  })
  test('of IPv4 whose attempt has failed has the error once', () => {
    const run = (before: string, step = '0 get SO_ERROR'): Run =>
      differing({
        steps: `< icmp 3 1 0 seq 1 quote 8; ${step}`,
        before,
        kernel: ['113'],
        softnet: ['113', 'file 0 UNCONN OUT HUP'],
      })
    expect(reasonOf(run('0 UNCONN OUT ERR HUP'))).toContain('IP_RECVERR')
    expect(reasonOf(run('0 UNCONN OUT HUP'))).toBeNull()
    expect(reasonOf(run('0 UNCONN OUT ERR HUP', 'wait 10'))).toBeNull()
  })
  test('whose attempt is over has nothing that was not sent', () => {
    const run = (steps: string): Run =>
      differing({ steps, kernel: ['file 0 UNCONN HUP'], softnet: ['file 0 UNCONN OUT HUP'] })
    expect(reasonOf(run('0 set TCP_NOTSENT_LOWAT 1; < R. 0 ack 1'))).toContain('tcp_disconnect')
    expect(reasonOf(run('< R. 0 ack 1'))).toBeNull()
  })
})

describe('what answers without a connection', () => {
  const run = (kernel: string, set = '0 set TTL 255', before = '0 LISTEN'): Run => {
    const softnet = [text(1, 1).replace('ttl 64', 'ttl 255')]
    return differing({ steps: `${set}; < . 1 ack 1`, before, kernel: [kernel], softnet })
  }
  test('has the place of its socket, and the kernel’s the namespace’s', () => {
    expect(reasonOf(run(text(1, 1)))).toContain('ip_send_unicast_reply')
    expect(reasonOf(run(text(1, 1), '0 set TCP_NODELAY 1'))).toBeNull()
    expect(reasonOf(run(text(1, 1), '0 set TTL 255', '0 ESTAB OUT'))).toBeNull()
    expect(reasonOf(run(text(1, 1).replace('ttl 64', 'ttl 1')))).toBeNull()
  })
})
