// A host that takes the hosts behind softnet for its neighbours: softnet answers for them, in both families.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { NeighItem } from '../../core/control/text/messages.ts'
import { requireTool } from '../support/tools.ts'
import { expectNothingLeaked, freeBuffers } from './support/checks.ts'
import { runIn, toolIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import { B, type Topology } from './support/topology.ts'
import { B6, createTopology6 } from './support/topology6.ts'

const FAMILIES = [
  { name: 'proxy ARP', v: '-4', to: B, net: '10.0.2.0/24', on: 'net.ipv4.conf.lan0.proxy_arp' },
  {
    name: 'proxy NDP',
    v: '-6',
    to: B6,
    net: '2001:db8:2::/64',
    on: 'net.ipv6.conf.lan0.proxy_ndp',
  },
] as const
type Case = (typeof FAMILIES)[number]

describeE2e(import.meta.path, 'hosts behind softnet as neighbours', () => {
  let net: Topology
  let before: Awaited<ReturnType<typeof freeBuffers>>
  beforeAll(async () => {
    net = await createTopology6()
    // a has no way there but its own link
    for (const { v, net: there } of FAMILIES) {
      await toolIn(net.a, 'ip', [v, 'route', 'del', 'default'])
      await toolIn(net.a, 'ip', [v, 'route', 'add', there, 'dev', 'eth0'])
    }
    before = await freeBuffers(net.daemon)
  })
  afterAll(() => net?.close())

  const softnet = async (...args: string[]): Promise<string> => {
    const { status, out, err } = await net.daemon.cli(...args)
    expect({ args, status, err }).toEqual({ args, status: 0, err: '' })
    return out
  }
  const reaches = async ({ v, to }: Case): Promise<boolean> =>
    (await runIn(net.a, [requireTool('ping'), v, '-c', '1', '-W', '10', to])).status === 0
  const forget = ({ v }: Case) => toolIn(net.a, 'ip', [v, 'neigh', 'flush', 'dev', 'eth0'])
  /** What a knows of the host. */
  const known = async ({ v, to }: Case): Promise<NeighItem | undefined> =>
    JSON.parse(await toolIn(net.a, 'ip', ['-j', v, 'neigh', 'show', to]))[0]
  const linkAddress = async (): Promise<string> =>
    JSON.parse(await softnet('ip', '-j', 'link', 'show', 'lan0'))[0].address
  const asked = ({ v, to }: Case) => ['ip', v, 'neigh', 'show', 'proxy', to]

  test.each(FAMILIES)('$name: nobody answers at first', async (family) => {
    expect(await reaches(family)).toBe(false)
    expect((await known(family))?.lladdr).toBeUndefined()
    await forget(family)
  })

  test.each(FAMILIES)(
    '$name: the host named with `ip neigh add proxy` is reached',
    async (family) => {
      const { v, to, on } = family
      await softnet('ip', v, 'neigh', 'add', 'proxy', to, 'dev', 'lan0')
      expect(await softnet(...asked(family))).toBe(`${to} dev lan0 proxy \n`)
      // an entry is enough for ARP; neighbour discovery wants the switch too
      if (v === '-6') await softnet('sysctl', '-w', `${on}=1`)
      expect(await reaches(family)).toBe(true)
      expect(await known(family)).toMatchObject({ lladdr: await linkAddress() })
      expect(await known(family)).not.toHaveProperty('router')
      await expectNothingLeaked(net.daemon, before)
    }
  )

  test.each(FAMILIES)('$name: and no longer when it is named no more', async (family) => {
    const { v, to } = family
    await softnet('ip', v, 'neigh', 'del', 'proxy', to, 'dev', 'lan0')
    expect(await softnet(...asked(family))).toBe('')
    await forget(family)
    expect(await reaches(family)).toBe(false)
    await forget(family)
  })

  test('proxy_arp: any host is reached that softnet knows the way to', async () => {
    const [arp] = FAMILIES
    await softnet('sysctl', '-w', `${arp.on}=1`)
    expect(await reaches(arp)).toBe(true)
    expect(await known(arp)).toMatchObject({ lladdr: await linkAddress() })
    await expectNothingLeaked(net.daemon, before)
  })
})
