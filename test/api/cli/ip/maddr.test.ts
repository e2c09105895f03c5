// Multicast addresses as ip prints them and /proc/net shows them, over the API of a whole host with sockets. The golden
// texts are those of Linux 6.18 and iproute2 6.1 for the same state.

import { expect, test } from 'bun:test'
import { createApp } from '../../../../api/app.ts'
import { run } from '../../../../api/cli/run.ts'
import { AF_INET, AF_INET6 } from '../../../../core/base/family.ts'
import { SOCK_DGRAM } from '../../../../core/socket/sock.ts'
import { joinOn } from '../../../support/groups.ts'
import { createSim } from '../../../../sim/net/net-sim.ts'

const host = async () => {
  const sim = createSim()
  const h = await sim.host('h', {
    setup: {
      link: [
        { ifname: 'lo', up: true },
        {
          ifname: 'd0',
          kind: 'pipe',
          address: '02:00:00:e0:be:0d',
          addresses: ['10.1.1.1/24', 'fd00::12:3456/64'],
          up: true,
        },
      ],
      sysctl: { 'net.ipv6.conf.all.forwarding': 0 },
    },
  })
  const { request: ask } = createApp({ control: h.control, version: '0.1.0' })
  const request = async (path: string, init: RequestInit = {}): Promise<Response> =>
    ask(path, init, { listener: 'unix' })
  const cli = async (line: string): Promise<string> => {
    let said = ''
    const write = (text: string): void => {
      said += text
    }
    const status = await run(line.split(' '), {
      fetch: request,
      endpoint: '',
      env: {},
      out: write,
      err: write,
      json: false,
    })
    sim.run(1)
    return status === 0 ? said : `${status}: ${said}`
  }
  const proc = async (file: string): Promise<string> =>
    (await request(`/v1/proc/net/${file}`)).text()
  sim.run(10)
  return { sim, h, cli, proc, request }
}

const D0 = `2:\td0
\tlink  33:33:00:00:00:01
\tlink  01:00:5e:00:00:01
\tlink  33:33:ff:e0:be:0d
\tlink  33:33:ff:12:34:56
\tinet  224.0.0.1
\tinet6 ff02::1:ff12:3456
\tinet6 ff02::1:ffe0:be0d
\tinet6 ff02::1
\tinet6 ff01::1
`

test('what a host has by itself', async () => {
  const { cli } = await host()
  const lo = '1:\tlo\n\tinet  224.0.0.1\n\tinet6 ff02::1\n\tinet6 ff01::1\n'
  expect(await cli('ip maddr')).toBe(`${lo}${D0}`)
  expect(await cli('ip -4 maddr show dev d0')).toBe('2:\td0\n\tinet  224.0.0.1\n')
  expect(await cli('ip -o -4 maddr show d0')).toBe('2:\td0\\\tinet  224.0.0.1\n')
  expect(await cli('ip -j -4 maddr show d0')).toBe(
    '[{"ifindex":2,"ifname":"d0","maddr":[{"family":"inet","address":"224.0.0.1"}]}]\n'
  )
})

test('link-layer addresses by hand', async () => {
  const { cli } = await host()
  const links = async (): Promise<string[]> =>
    (await cli('ip maddr show d0')).split('\n').filter((line) => line.includes('link'))
  const before = await links()
  expect(await cli('ip maddr add 01:00:5e:01:02:03 dev d0')).toBe('')
  expect(await cli('ip maddr add 01:00:5e:01:02:03 dev d0')).toBe('')
  expect(await cli('ip maddr add 33:33:00:00:00:01 dev d0')).toBe('')
  expect(await links()).toEqual([
    ...before.map((line) => (line.endsWith('33:33:00:00:00:01') ? `${line} users 2 static` : line)),
    '\tlink  01:00:5e:01:02:03 static',
  ])
  expect(await cli('ip maddr del 33:33:00:00:00:01 dev d0')).toBe('')
  expect(await cli('ip maddr del 01:00:5e:01:02:03 dev d0')).toBe('')
  expect(await links()).toEqual(before)
  expect(await cli('ip maddr del 01:00:5e:01:02:03 dev d0')).toContain(
    'ioctl: No such file or directory'
  )
  expect(await cli('ip maddr add 01:00:5e:01:02:03 dev x0')).toContain('ioctl: No such device')
  expect(await cli('ip maddr add 10.1.1.1 dev d0')).toContain(
    'Error: Invalid address length 4 - must be 6 bytes'
  )
  expect(await cli('ip maddr add 01:00:5e:01:02:03')).toContain(
    'Not enough information: "dev" is required.'
  )
  expect(await cli('ip maddr foo')).toContain('Command "foo" is unknown, try "ip maddr help".')
})

test('what sockets have joined, with users and filters', async () => {
  const { h, sim, cli, proc, request } = await host()
  const { sockets } = h.stack
  const dev = h.ifindex('d0')
  const open = (family = AF_INET): number => sockets.socket(family, SOCK_DGRAM, 0)
  const [s, t, u] = [open(), open(), open(AF_INET6)]
  const ssm = { dev, name: 'IP_ADD_SOURCE_MEMBERSHIP' } as const
  joinOn(h.stack, s, '239.1.1.1', { ...ssm, source: '10.9.9.9' })
  joinOn(h.stack, s, '239.1.1.1', { ...ssm, source: '10.9.9.8' })
  joinOn(h.stack, s, '239.2.2.2', { dev })
  joinOn(h.stack, s, '239.2.2.2', { dev, name: 'IP_BLOCK_SOURCE', source: '10.9.9.7' })
  joinOn(h.stack, t, '239.1.1.1', { dev })
  joinOn(h.stack, u, 'ff05::99', { dev })
  sim.run(5000)
  const shown = await cli('ip maddr show d0')
  expect(shown).toContain('\tlink  01:00:5e:01:01:01\n\tlink  01:00:5e:02:02:02\n')
  expect(shown).toContain('\tlink  33:33:00:00:00:99\n')
  expect(shown).toContain('\tinet  239.2.2.2\n\tinet  239.1.1.1 users 2\n\tinet  224.0.0.1\n')
  expect(shown).toContain('\tinet6 ff05::99\n\tinet6 ff02::1:ff')
  expect(await proc('igmp')).toBe(
    'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n' +
      '1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n' +
      '2\td0        :     3      V3\n' +
      '\t\t\t\t020202EF     1 0:00000000\t\t0\n' +
      '\t\t\t\t010101EF     2 0:00000000\t\t0\n' +
      '\t\t\t\t010000E0     1 0:00000000\t\t0\n'
  )
  const igmp6 = await proc('igmp6')
  expect(igmp6).toStartWith(
    '1    lo              ff020000000000000000000000000001     1 0000000C 0\n' +
      '1    lo              ff010000000000000000000000000001     1 00000008 0\n' +
      '2    d0              ff050000000000000000000000000099     1 00000004 0\n'
  )
  expect(await proc('dev_mcast')).toContain('2    d0              1     0     01005e020202\n')
  expect(await proc('mcfilter')).toBe(
    'Idx Device        MCA        SRC    INC    EXC\n' +
      '  2     d0 0xef020202 0x0a090907      0      1\n' +
      '  2     d0 0xef010101 0x0a090909      1      0\n' +
      '  2     d0 0xef010101 0x0a090908      1      0\n'
  )
  expect(await proc('mcfilter6')).toBe(
    'Idx Device                Multicast Address                   Source Address    INC    EXC\n'
  )
  const answer = await (await request('/v1/maddrs?dev=d0&family=inet')).json()
  expect(answer.items[0].groups[1]).toEqual({
    family: 'inet',
    address: '239.1.1.1',
    users: 2,
    version: 3,
    sources: [
      { address: '10.9.9.9', included: 1, excluded: 0 },
      { address: '10.9.9.8', included: 1, excluded: 0 },
    ],
  })
  for (const sk of [s, t, u]) sockets.close(sk)
  sim.run(60_000)
  expect((await cli('ip -4 maddr show d0')).trim()).toBe('2:\td0\n\tinet  224.0.0.1')
  expect(sim.leaks()).toEqual({})
})
