// Nothing is there for nothing: names, counters, drop reasons and switches all do something. A counter that never
// rises and a switch that nothing reads are lies to whoever looks at them.

import { expect, test } from 'bun:test'
import { Glob } from 'bun'
import { root } from '../bin/bootstrap.mjs'
import { DevStat } from '../core/netdev/netdev.ts'
import { Mib, Softnet } from '../core/shm/counters.ts'
import { Ipi } from '../core/shm/ipi.ts'
import { Sysctl } from '../core/shm/sysctl.ts'
import { Drop } from '../core/skb/drop.ts'
import { type Source, unusedMembers } from './support/unused.ts'

const read = async (pattern: string): Promise<Source[]> => {
  const files: Source[] = []
  for await (const path of new Glob(pattern).scan({ cwd: root }))
    files.push({ path, source: await Bun.file(`${root}/${path}`).text() })
  return files
}
const tree = await read('{core,workers,api,test,bench,examples,bin}/**/*.{ts,tsx,mts,mjs}')
/** The path of a packet: what happens, not what is shown of it. */
const path = tree.filter(
  (file) => /^(?:core|workers)\//.test(file.path) && !file.path.startsWith('core/control/')
)

test.each([
  ['Mib', Mib, 'counter of nstat'],
  ['Softnet', Softnet, 'counter of softnet_stat'],
  ['DevStat', DevStat, 'statistic of a device'],
  ['Drop', Drop, 'drop reason'],
  ['Sysctl', Sysctl, 'switch'],
  ['Ipi', Ipi, 'call between threads'],
] as const)('every %s is used where packets go', (name, members) => {
  expect(unusedMembers(name, Object.keys(members), path)).toEqual([])
})

test('what is unused is found', () => {
  const files = [
    { path: 'core/a.ts', source: 'f64[bank + Mib.IpInReceives]++ // Mib.IpInHdrErrors\n' },
    { path: 'core/b.ts', source: "const name = 'Mib.IpInHdrErrors'\n" },
  ]
  expect(unusedMembers('Mib', ['IpInReceives', 'IpInHdrErrors'], files)).toEqual(['IpInHdrErrors'])
})
