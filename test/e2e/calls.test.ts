// Each of the calls of socketcall(2), played against softnet and against the kernel: one program, and both answers compared.

import { beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { Errno, errnoName } from '../../core/base/errno.ts'
import type { Answer } from '../twin/calls/calls.ts'
import { LO_MTU, play, type Side } from '../twin/calls/calls.ts'
import { createKernelCalls } from '../twin/calls/kernel-calls.ts'
import { createRingsCalls, isOfApplications } from '../twin/calls/rings-calls.ts'
import { createSoftnetCalls } from '../twin/calls/softnet-calls.ts'
import { TABLE } from '../twin/calls/table.ts'
import { readOptions } from '../support/socket-options.ts'
import { describeE2e } from './support/inside.ts'

/** Sockets by kind: family, type and protocol, of IPv4 and, where there is one, of IPv6. */
const KINDS = [
  ['tcp', [2, 1, 0], [10, 1, 0]],
  ['udp', [2, 2, 0], [10, 2, 0]],
  ['raw', [2, 3, 1], [10, 3, 58]],
  ['ping', [2, 2, 1], [10, 2, 58]],
  ['packet', [17, 3, 0x300], null],
] as const
/** Of netfilter, by level and number; and the memberships, which are no options here. */
const ELSEWHERE = new Set([
  ...[64, 65, 66, 67, 80, 81, 83, 96, 97, 98, 99].map((option) => `0 ${option}`),
  ...[64, 65, 68, 69, 80].map((option) => `41 ${option}`),
  ...[35, 36, 37, 38, 39, 40, 42, 43, 44, 45, 46, 47].map((option) => `0 ${option}`),
  ...[20, 21, 42, 43, 44, 45, 46, 47, 48].map((option) => `41 ${option}`),
])
/** Options whose value is no number to the kernel, or another one, and the one that is refused to whoever asks. */
const DIFFERENT = new Set([
  'SO_LINGER',
  'SO_BINDTODEVICE',
  'SO_ATTACH_FILTER',
  'SO_MAX_PACING_RATE',
  'SO_COOKIE',
  'SO_TIMESTAMPING_OLD',
  'IPV6_PKTINFO',
  'IP_OPTIONS',
  'IP_PKTOPTIONS',
  'IPV6_2292PKTOPTIONS',
  'IPV6_MTU',
  'TCP_CONGESTION',
  'TCP_INFO',
  'TCP_MD5SIG',
  'TCP_REPAIR',
  'TCP_FASTOPEN_KEY',
  'PACKET_STATISTICS',
])
const { ENOPROTOOPT, EOPNOTSUPP } = Errno

const shown = (answer: Answer): string =>
  typeof answer === 'number' && answer < 0 ? errnoName(answer) : String(answer)

describeE2e(import.meta.path, 'a call has the answer that the kernel gives', () => {
  let sides: { kernel: Side; softnet: Side; rings: Side }
  beforeAll(async () => {
    writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647')
    // windows grow as softnet's do
    writeFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'reno')
    const ip = Bun.spawnSync(['ip', 'link', 'set', 'lo', 'up', 'mtu', `${LO_MTU}`])
    expect(ip.stderr.toString()).toBe('')
    const [softnet, rings] = [await createSoftnetCalls(), await createRingsCalls()]
    sides = { kernel: createKernelCalls(), softnet, rings }
    // the kernel begins to note when packets come a while after somebody has asked for it (net_enable_timestamp)
    const clock = createKernelCalls()
    await clock.socket('clock', 2, 2, 0)
    await clock.setsockopt('clock', 1, 29, 1)
  })
  test.each(TABLE.map((program) => [program.name, program] as const))('%s', async (_, program) => {
    const { rows } = program
    const line = (answers: Answer[]): string[] =>
      rows.map((row, k) => `${k} ${row.join(' ')}: ${shown(answers[k]!)}`)
    const theirs = line(await play(sides.kernel, rows))
    // what was to be accepted was there
    if (!/descriptor|socket:/.test(program.name)) expect(theirs.join()).not.toContain('EBADF')
    expect(line(await play(sides.softnet, rows))).toEqual(theirs)
    // of an application in another thread as well
    if (isOfApplications(program)) expect(line(await play(sides.rings, rows))).toEqual(theirs)
  })
  test('the programs that applications play as well are most of them', () => {
    expect(TABLE.filter(isOfApplications).length).toBeGreaterThan(60)
  })

  /** What each side answers when a new socket is asked for an option, is told 1, and is asked again. */
  const triple = async (
    side: Side,
    kind: readonly number[],
    level: number,
    option: number
  ): Promise<string> => {
    const [family, type, protocol] = kind
    await side.socket('o', family!, type!, protocol!)
    const answers = [
      await side.getsockopt('o', level, option),
      await side.setsockopt('o', level, option, 1),
      await side.getsockopt('o', level, option),
    ]
    await side.close('o')
    return answers.map(shown).join(' ')
  }
  const kindsOf = (level: number) =>
    KINDS.map(([name, four, six]) => {
      return { name, kind: level === 41 && six !== null ? six : four }
    })
  const table = readOptions(readFileSync(`${import.meta.dir}/../../docs/sockets.md`, 'utf8'))

  test('the table of options has each that the kernel knows', () => {
    const { kernel } = sides
    const missing: string[] = []
    for (const level of new Set(table.map((row) => row.level))) {
      const kinds = kindsOf(level)
      for (const { name, kind } of kinds) kernel.socket(name, kind[0], kind[1], kind[2])
      for (let option = 0; option < 110; option++) {
        const answers = kinds.flatMap(({ name }) => [
          kernel.getsockopt(name, level, option),
          kernel.setsockopt(name, level, option, 1),
        ])
        const isKnown = answers.some((each) => each !== -ENOPROTOOPT && each !== -EOPNOTSUPP)
        const isThere = table.some((row) => row.level === level && row.number === option)
        if (isKnown && !isThere) missing.push(`${level} ${option}`)
      }
      kernel.end()
    }
    expect(missing.filter((option) => !ELSEWHERE.has(option))).toEqual([])
  })
  test('an option that sockets have answers as the kernel does', async () => {
    const [ours, theirs]: [string[], string[]] = [[], []]
    for (const { level, name, number, sockets } of table)
      for (const { name: kindName, kind } of kindsOf(level)) {
        if (!sockets.split(', ').includes(kindName) || DIFFERENT.has(name)) continue
        const their = `${name} of ${kindName}: ${await triple(sides.kernel, kind, level, number)}`
        const asked = kindName === 'packet' ? [] : [sides.rings]
        for (const side of [sides.softnet, ...asked]) {
          ours.push(`${name} of ${kindName}: ${await triple(side, kind, level, number)}`)
          theirs.push(their)
        }
      }
    expect(ours.length).toBeGreaterThan(150)
    expect(ours).toEqual(theirs)
  })
})
