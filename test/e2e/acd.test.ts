// Address conflict detection beside the Linux kernel: an address that the kernel has is not softnet's, another is, and
// arping -D of the kernel's side then finds it taken.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { requireTool } from '../support/tools.ts'
import { runIn } from './support/commands.ts'
import { describeE2e } from './support/inside.ts'
import { A, createTopology, type Topology } from './support/topology.ts'

const FREE = '10.0.1.50'
const WITHIN_MS = 15_000

describeE2e(import.meta.path, 'address conflicts', () => {
  let net: Topology
  const softnet = async (...args: string[]): Promise<string> => {
    const { status, out, err } = await net.daemon.cli(...args)
    expect({ status, err }).toEqual({ status: 0, err: '' })
    return out
  }
  /** What is said of an address, once it is no more being tried. */
  const outcome = async (addr: string): Promise<string> => {
    const end = performance.now() + WITHIN_MS
    for (;;) {
      const all = (await softnet('ip', '-o', 'addr', 'show', 'dev', 'lan0')).split('\n')
      const line = all.find((one) => one.includes(` ${addr}/`)) ?? ''
      const isOpen = line.includes('tentative') && !line.includes('dadfailed')
      if (!isOpen || performance.now() > end) return line
      await Bun.sleep(100)
    }
  }
  const isTakenForA = async (addr: string): Promise<boolean> => {
    const argv = [requireTool('arping'), '-D', '-c', '1', '-w', '1', '-I', 'eth0', addr]
    return (await runIn(net.a, argv)).status === 1
  }

  beforeAll(async () => {
    net = await createTopology()
    await softnet('sysctl', 'net.ipv4.conf.lan0.dad_transmits=2')
  })
  afterAll(() => net?.close())

  test("what the kernel has is not softnet's", async () => {
    await softnet('ip', 'addr', 'add', `${A}/24`, 'dev', 'lan0')
    const line = await outcome(A)
    expect(line).toContain('dadfailed')
    expect(line).toContain('tentative')
    expect(await softnet('ip', 'route', 'show', 'table', 'local')).not.toContain(`local ${A} `)
  }, 30_000)

  test('what nobody has is, and the kernel finds it taken then', async () => {
    expect(await isTakenForA(FREE)).toBe(false)
    await softnet('ip', 'addr', 'add', `${FREE}/24`, 'dev', 'lan0')
    expect(await outcome(FREE)).toContain(`${FREE}/24 scope global`)
    expect(await isTakenForA(FREE)).toBe(true)
  }, 30_000)
})
