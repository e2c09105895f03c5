// Messages of IGMP and MLD with octets that are not as they were: whoever sends them, nothing breaks, nothing is left over,
// and what is kept of them stays within its bounds.

import { expect, test } from 'bun:test'
import { MC_ROLE_DOWNSTREAM, MC_ROLE_UPSTREAM } from '../../../../core/inet/mc/mfc-constants.ts'
import { DEV_MC_ROLE4, DEV_MC_ROLE6 } from '../../../../core/netdev/netdev.ts'
import * as igmp from '../../../../core/wire/igmp.ts'
import * as mld from '../../../../core/wire/mld.ts'
import { igmpFrame, igmpQuery, igmpReport, igmpShort } from '../../../support/igmp.ts'
import { mldFrame, mldQuery, mldReport, mldShort } from '../../../support/mld.ts'
import { createPathHost } from '../../../../sim/net/path-host.ts'
import { seeded } from '../../../support/random.ts'

const V4 = ['239.1.1.1', '239.1.1.2', '224.0.0.1']
const V6 = ['ff05::1', 'ff05::2', 'ff02::1']

test.each([1, 2, 3])('seed %d: 4,000 messages, half of them broken', (seed) => {
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T => list[(random() >>> 0) % list.length]!
  const path = createPathHost({ seed })
  for (const dev of [2, 3]) {
    path.addDevice(dev)
    path.addAddress(dev, `10.0.${dev}.1/24`)
    path.addAddress(dev, `fe80::${dev}/64`)
    const role = dev === 2 ? MC_ROLE_DOWNSTREAM : MC_ROLE_UPSTREAM
    path.arena.i32[path.deviceRow(dev) + DEV_MC_ROLE4] = role
    path.arena.i32[path.deviceRow(dev) + DEV_MC_ROLE6] = role
  }
  path.settle()
  const types = ['IS_IN', 'IS_EX', 'TO_IN', 'TO_EX', 'ALLOW', 'BLOCK']
  const record = (group: string, source: string): string =>
    [pick(types), group, ...Array.from({ length: (random() >>> 0) % 3 }, () => source)].join(' ')
  const makers = [
    () => igmpQuery({ group: pick(['0.0.0.0', ...V4]), sources: ['10.1.1.1'], tenths: 5 }),
    () => igmpReport(record(pick(V4), '10.1.1.1'), record(pick(V4), '10.1.1.2')),
    () => igmpShort(pick([igmp.IGMP_QUERY, igmp.IGMPV2_REPORT, igmp.IGMP_LEAVE]), 5, pick(V4)),
    () => mldQuery({ group: pick(['::', ...V6]), sources: ['fd00::1'] }),
    () => mldReport(record(pick(V6), 'fd00::1'), record(pick(V6), 'fd00::2')),
    () => mldShort(pick([mld.MLD_QUERY, mld.MLD_REPORT, mld.MLD_DONE]), 5, pick(V6)),
  ]
  /** Some octets are others, or the end is gone; the checksum is right all the same, or nothing of it would be read. */
  const broken = (message: Uint8Array): Uint8Array => {
    const cut =
      (random() & 3) === 0 ? message.subarray(0, (random() >>> 0) % message.length) : message
    const copy = cut.slice()
    for (let k = (random() >>> 0) % 4; k > 0 && copy.length > 4; k--)
      copy[(random() >>> 0) % copy.length] = random()
    if (copy.length >= 4) {
      copy[2] = copy[3] = 0
    }
    return copy
  }
  for (let n = 0; n < 4000; n++) {
    const kind = (random() >>> 0) % makers.length
    const whole = makers[kind]!()
    const message = (random() & 1) === 0 ? whole : broken(whole)
    const dev = pick([2, 3])
    if (kind < 3) {
      if (message.length >= 4) igmp.setChecksum(message, 0, message.length)
      path.receive(igmpFrame(`10.0.${dev}.${1 + (random() & 7)}`, pick(V4), message), dev)
    } else if (message.length >= 4)
      path.receive(mldFrame(pick(['fe80::9', '::', 'fd00::9']), pick(V6), message), dev)
    if (n % 50 === 0) path.advance((random() >>> 0) % 3000)
  }
  path.advance(400_000)
  expect(path.sent.length).toBeGreaterThan(100)
  expect(path.isAllReturned()).toBe(true)
})
