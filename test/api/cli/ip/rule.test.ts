// Policy rules as ip sets and prints them. The golden texts are those of Linux 6.18 and iproute2 6.1 for the same lines.

import { expect, test } from 'bun:test'
import { createSession } from '../../support/session.ts'

const SETUP = `
ip link add d0 type veth peer name d1
ip rule add from 10.0.0.0/8 to 11.0.0.0/8 iif d0 fwmark 0x10/0xff tos 0x10 ipproto tcp sport 1-10 dport 80 table 100
ip rule add not from 10.0.0.1 oif nope0 table main suppress_prefixlength 0
ip rule add priority 5 goto 10
ip rule add priority 10 nop
ip rule add priority 12 blackhole
ip rule add priority 13 unreachable from 1.1.1.1
ip rule add priority 14 prohibit
ip rule add priority 3 table 300 protocol static
ip -6 rule add from fe80::/10 iif d0 table 5`

test('rules are printed as iproute2 prints them', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  expect(await cli('ip rule')).toBe(
    `0:	from all lookup local
3:	from all lookup 300 proto static
5:	from all goto 10
10:	from all nop
12:	from all blackhole
13:	from 1.1.1.1 unreachable
14:	from all prohibit
32764:	not from 10.0.0.1 oif nope0 [detached] lookup main suppress_prefixlength 0
32765:	from 10.0.0.0/8 to 11.0.0.0/8 tos 0x10 fwmark 0x10/0xff iif d0 ipproto tcp sport 1-10 dport 80 lookup 100
32766:	from all lookup main
32767:	from all lookup default
`
  )
  expect(JSON.parse(await cli('ip -j rule'))).toEqual([
    { priority: 0, src: 'all', table: 'local' },
    { priority: 3, src: 'all', table: '300', protocol: 'static' },
    { priority: 5, src: 'all', goto: 10 },
    { priority: 10, src: 'all', nop: null },
    { priority: 12, src: 'all', action: 'blackhole' },
    { priority: 13, src: '1.1.1.1', action: 'unreachable' },
    { priority: 14, src: 'all', action: 'prohibit' },
    {
      priority: 32764,
      not: null,
      src: '10.0.0.1',
      oif: 'nope0',
      oif_detached: null,
      table: 'main',
      suppress_prefixlen: 0,
    },
    {
      priority: 32765,
      src: '10.0.0.0',
      srclen: 8,
      dst: '11.0.0.0',
      dstlen: 8,
      tos: '0x10',
      fwmark: '0x10',
      fwmask: '0xff',
      iif: 'd0',
      ipproto: 'tcp',
      sport_start: 1,
      sport_end: 10,
      dport: 80,
      table: '100',
    },
    { priority: 32766, src: 'all', table: 'main' },
    { priority: 32767, src: 'all', table: 'default' },
  ])
  expect(await cli('ip -6 rule')).toBe(
    '0:\tfrom all lookup local\n32765:\tfrom fe80::/10 iif d0 lookup 5\n32766:\tfrom all lookup main\n'
  )
  expect(await cli('ip rule show table 100')).toContain('32765:')
  expect(JSON.parse(await cli('ip -d -j rule show table main'))).toEqual([
    expect.objectContaining({ priority: 32764, protocol: 'unspec' }),
    { priority: 32766, src: 'all', table: 'main', protocol: 'kernel' },
  ])
})

test('flush leaves the rules of priority 0, and no other', async () => {
  const { cli, all } = createSession()
  await all(SETUP)
  await all('ip rule add priority 0 fwmark 9 table 9\nip rule flush')
  expect(await cli('ip rule')).toBe('0:\tfrom all lookup local\n0:\tfrom all fwmark 0x9 lookup 9\n')
})

test('a line that is wrong is refused in the words of ip', async () => {
  const { cli } = createSession()
  for (const [line, words] of [
    ['ip rule del', '"ip rule del" requires arguments.'],
    ['ip rule add pref abc', 'Error: argument "abc" is wrong: preference value is invalid'],
    ['ip rule add fwmark zz table 4', 'Error: argument "zz" is wrong: fwmark value is invalid'],
    ['ip rule add bogus', 'Error: argument "bogus" is wrong: Failed to parse rule type'],
    ['ip rule add table zork', 'Error: argument "zork" is wrong: invalid table ID'],
    ['ip rule add goto 5 priority 9', 'Error: Backward goto not supported.'],
    ['ip rule del priority 99', 'RTNETLINK answers: No such file or directory'],
    ['ip rule add iif', 'Command line is not complete. Try option "help"'],
  ])
    expect(await cli(line!)).toContain(words!)
})

test('PUT of a rule that is there changes nothing, and configuration makes rules so', async () => {
  const { cli, request } = createSession()
  const send = async (method: string, path: string, body: object) => {
    const headers = { 'Content-Type': 'application/json' }
    return request(path, { method, headers, body: JSON.stringify(body) })
  }
  const rule = { priority: 7, from: '10.0.0.0/8', fwmark: '1/3', table: 100 }
  const made = [await send('PUT', '/v1/rules', rule), await send('PUT', '/v1/rules', rule)]
  const [first, second] = await Promise.all(made.map(async (one) => (await one.json()) as object))
  expect(second).toEqual(first!)
  expect((await send('POST', '/v1/rules', rule)).status).toBe(409)
  const config = {
    rule: [
      { ...rule, priority: 8 },
      { iif: 'x', action: 'prohibit', priority: 9 },
    ],
  }
  expect((await send('PUT', '/v1/config', config)).status).toBe(200)
  expect(await cli('ip rule')).toBe(
    `0:	from all lookup local
8:	from 10.0.0.0/8 fwmark 0x1/0x3 lookup 100
9:	from all iif x [detached] prohibit
32766:	from all lookup main
32767:	from all lookup default
`
  )
  const again = (await (await send('PUT', '/v1/config?dry_run=1', config)).json()) as {
    item: unknown[]
  }
  expect(again.item).toEqual([])
  expect((await request('/v1/rules?priority=9', { method: 'DELETE' })).status).toBe(200)
  expect((await request('/v1/rules?priority=9', { method: 'DELETE' })).status).toBe(404)
})
