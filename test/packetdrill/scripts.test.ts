// The project's scripts (test/scripts) are played, and the runner can fail: a script in which one number is another is reported.

import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import { playText, type Settings } from '../../packetdrill/play-file.ts'

const folder = join(import.meta.dir, '../scripts')
const scripts = [...new Glob('*.pkt').scanSync({ cwd: folder })].sort()
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const settings: Settings = { mode: 'ipv4', anyOptions: false, anyWindow: false, defined: new Map() }
const play = (text: string, over: Partial<Settings> = {}) =>
  playText(text, folder, { ...settings, ...over })

test.each(scripts)('%s', (name) => {
  const { result, reason, trace } = play(read(name))
  expect([...(result === 'passed' ? [] : trace), reason]).toEqual([''])
})
const others = scripts.flatMap((name) =>
  (['ipv6', 'mapped'] as const).map((mode) => [name, mode] as const)
)
test.each(others)('%s over %s', (name, mode) => {
  expect(play(read(name), { mode })).toMatchObject({ result: 'passed', reason: '' })
})

/** The script with one number of what it expects raised, for each of those numbers but names: of sockets, and of our stamps, which echoes are found by. */
const mutants = (text: string): string[] => {
  const found: string[] = []
  let at = 0
  for (const line of text.split('\n')) {
    const from = line.search(/ > |\) = /)
    const isName = /\b(?:socket|accept4?|dup)\(/.test(line)
    if (from >= 0 && !isName && !line.trim().startsWith('//'))
      for (const number of line.slice(from).matchAll(/(?<![\w.]|TS val )\d+/g)) {
        const place = at + from + number.index
        const end = place + number[0].length
        found.push(`${text.slice(0, place)}${Number(number[0]) + 1}${text.slice(end)}`)
      }
    at += line.length + 1
  }
  return found
}
test.each(['rfc9293-open-close.pkt', 'rfc2018-out-of-order.pkt'])(
  '%s with another number anywhere in what it expects fails',
  (name) => {
    const changed = mutants(read(name))
    expect(changed.length).toBeGreaterThan(25)
    expect(changed.filter((text) => play(text).result === 'passed')).toEqual([])
  }
)
test('any script with another number in what it expects fails', () => {
  const passed = scripts.filter((name, k) => {
    const changed = mutants(read(name))
    return changed.length > 0 && play(changed[(k * 7919) % changed.length]!).result === 'passed'
  })
  expect(passed).toEqual([])
}, 60_000)
test('what is early or late fails', () => {
  const text = read('rfc6298-syn-timeout.pkt')
  expect(play(text.replace('+2 >', '+1.7 >'))).toMatchObject({ result: 'failed' })
  expect(play(text.replace('+2 >', '+2.3 >'))).toMatchObject({ result: 'failed' })
  expect(play(text.replace('+0...7', '+0...5'))).toMatchObject({ result: 'failed' })
})
test('a failure shows both segments as tcpdump prints them, and what went before', () => {
  const text = read('rfc9293-push.pkt').replace(
    'P. 1:10001(10000) ack 1',
    'P. 1:10001(10000) ack 2'
  )
  const { reason, trace } = play(text)
  expect(reason).toContain(
    'expected: P. 1:10001(10000) ack 2\n      actual: P. 1:10001(10000) ack 1'
  )
  expect(trace[1]).toBe('0.000000 > S. 0:0(0) ack 1 win 64240 <mss 1460>')
})
test('over IPv6 a script that names addresses of IPv4 is played mapped, and says so', () => {
  const text = `--local_ip=192.168.0.2\n${read('rfc9293-open-close.pkt')}`
  expect(play(text, { mode: 'ipv6' })).toMatchObject({ result: 'passed', mode: 'mapped' })
  expect(play(read('rfc9293-open-close.pkt'), { mode: 'ipv6' }).mode).toBe('ipv6')
})
test('any options, any window', () => {
  const text = read('rfc9293-open-close.pkt').replace(
    'win 64240 <mss 1460>',
    'win 1 <mss 1,nop,nop,sackOK>'
  )
  expect(play(text)).toMatchObject({ result: 'failed' })
  expect(play(text, { anyOptions: true })).toMatchObject({ result: 'failed' })
  expect(play(text, { anyOptions: true, anyWindow: true })).toMatchObject({ result: 'passed' })
})
test('what cannot be played is skipped with the reason', () => {
  expect(play('0 socketpair(...) = 3')).toMatchObject({
    result: 'skipped',
    reason: 'it needs the call socketpair',
  })
})
