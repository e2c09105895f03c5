// Each of the calls of socketcall(2), played against softnet and against the kernel: one program, and both answers compared.

import { beforeAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { errnoName } from '../../core/base/errno.ts'
import type { Answer } from '../twin/calls/calls.ts'
import { LO_MTU, play, type Side } from '../twin/calls/calls.ts'
import { createKernelCalls } from '../twin/calls/kernel-calls.ts'
import { createSoftnetCalls } from '../twin/calls/softnet-calls.ts'
import { TABLE } from '../twin/calls/table.ts'
import { describeE2e } from './support/inside.ts'

const shown = (answer: Answer): string =>
  typeof answer === 'number' && answer < 0 ? errnoName(answer) : String(answer)

describeE2e(import.meta.path, 'a call has the answer that the kernel gives', () => {
  let sides: { kernel: Side; softnet: Side }
  beforeAll(async () => {
    writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647')
    const ip = Bun.spawnSync(['ip', 'link', 'set', 'lo', 'up', 'mtu', `${LO_MTU}`])
    expect(ip.stderr.toString()).toBe('')
    sides = { kernel: createKernelCalls(), softnet: await createSoftnetCalls() }
  })
  test.each(TABLE.map(({ name, rows }) => [name, rows] as const))('%s', (_, rows) => {
    const theirs = play(sides.kernel, rows)
    const ours = play(sides.softnet, rows)
    const line = (answers: Answer[]): string[] =>
      rows.map((row, k) => `${k} ${row.join(' ')}: ${shown(answers[k]!)}`)
    expect(line(ours)).toEqual(line(theirs))
  })
})
