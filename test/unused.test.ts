// Nothing is there for nothing: names, counters, drop reasons and switches all do something. A counter that never
// rises and a switch that nothing reads are lies to whoever looks at them.

import { expect, test } from 'bun:test'
import { Glob } from 'bun'
import { root } from '../bin/bootstrap.mjs'
import { DevStat } from '../core/netdev/netdev.ts'
import { Mib, Softnet } from '../core/shm/counters.ts'
import { Conf4, Conf6 } from '../core/shm/devconf.ts'
import { Ipi } from '../core/shm/ipi.ts'
import { Sysctl } from '../core/shm/sysctl.ts'
import { Drop } from '../core/skb/drop.ts'
import { type Source, unusedExports, unusedMembers } from './support/unused.ts'

const read = async (pattern: string): Promise<Source[]> => {
  const files: Source[] = []
  for await (const path of new Glob(pattern).scan({ cwd: root }))
    files.push({ path, source: await Bun.file(`${root}/${path}`).text() })
  return files
}
const tree = await read(
  '{core,workers,api,test,bench,packetdrill,sim,examples,bin}/**/*.{ts,tsx,mts,mjs}'
)
/** The path of a packet: what happens, not what is shown of it. */
const path = tree.filter(
  (file) => /^(?:core|workers)\//.test(file.path) && !file.path.startsWith('core/control/')
)

/** What control does by itself, of which the path knows nothing. */
const OF_CONTROL = ['nexthop_compat_mode']
/** They bound others, where control looks: the range of local ports, and what fragments hold. */
const BOUNDS = ['ip_unprivileged_port_start', 'ipfrag_low_thresh', 'ip6frag_low_thresh']
const control = tree.filter((file) => file.path.startsWith('core/control/'))

/** Words of rows that hold a place for what is to come, so that no row has to be laid out again. */
const RESERVED = ['core/socket/sock.ts: SK_NET']

/** Switches that do nothing in Linux either, which programs and scripts set all the same. */
const LEGACY = ['tcp_fack']

test('every exported name is named in another file', () => {
  expect(unusedExports(tree).sort()).toEqual(RESERVED.sort())
})

test.each([
  ['counter of nstat', 'Mib', Mib],
  ['counter of softnet_stat', 'Softnet', Softnet],
  ['statistic of a device', 'DevStat', DevStat],
  ['drop reason', 'Drop', Drop],
  ['switch', 'Sysctl', Sysctl],
  ['setting of devices', 'Conf4', Conf4],
  ['setting of devices (IPv6)', 'Conf6', Conf6],
  ['call between threads', 'Ipi', Ipi],
] as const)('every %s is used where packets go', (_what, name, members) => {
  const others = [...OF_CONTROL, ...BOUNDS, ...LEGACY]
  const ofPath = Object.keys(members).filter((member) => !others.includes(member))
  expect(unusedMembers(name, ofPath, path)).toEqual([])
})

test('every switch of control is used there', () => {
  expect(unusedMembers('Sysctl', OF_CONTROL, control)).toEqual([])
})

test('what is unused is found', () => {
  const files = [
    { path: 'core/a.ts', source: 'f64[bank + Mib.IpInReceives]++ // Mib.IpInHdrErrors\n' },
    { path: 'core/b.ts', source: "const name = 'Mib.IpInHdrErrors'\n" },
  ]
  expect(unusedMembers('Mib', ['IpInReceives', 'IpInHdrErrors'], files)).toEqual(['IpInHdrErrors'])
  const names = [
    { path: 'core/a.ts', source: 'export const one = 1\nexport const two = 2 // one\n' },
    { path: 'test/b.test.ts', source: "import { two } from './a.ts'\n/* one */ const s = 'one'\n" },
  ]
  expect(unusedExports(names)).toEqual(['core/a.ts: one'])
})
