// What `ip` shows of a stack: the orders in which the kernel tells things, and what was said when they were made. Whether all
// of it is what the kernel's ip prints, test/e2e/tools.test.ts asks.

import { expect, test } from 'bun:test'
import { createSession } from '../../support/session.ts'

const json = async (
  { cli }: Pick<ReturnType<typeof createSession>, 'cli'>,
  line: string
): Promise<Record<string, unknown>[]> => JSON.parse(await cli(line)) as Record<string, unknown>[]

test('a new link has the index that it is given, and none that another has', async () => {
  const session = createSession()
  await session.all('ip link add a index 5 type veth peer name b')
  expect(await json(session, 'ip -j -br link show a')).toMatchObject([{ ifname: 'a', link: 'b' }])
  expect(await json(session, 'ip -j link show a')).toMatchObject([{ ifindex: 5 }])
  // the other end has the first that is free
  expect(await json(session, 'ip -j link show b')).toMatchObject([{ ifindex: 2 }])
  expect(await session.cli('ip link add c index 5 type dummy')).toMatch(/^1: .*File exists/)
  expect(await session.cli('ip link add c index 0 type dummy')).toMatch(/Invalid "index" value/)
})

test('addresses stand in the order of the kernel, and each has its label', async () => {
  const session = createSession()
  await session.all(`
    ip link add d type dummy
    ip link set d up
    ip addr add 10.1.0.1/24 dev d
    ip addr add 10.2.0.1/24 dev d scope link label d:two
    ip addr add 10.1.0.2/24 dev d
    ip addr add 10.3.0.1/24 dev d scope host
    ip addr add 2001:db8::1/64 dev d
    ip addr add fe80::7/64 dev d
    ip addr add 2001:db8:1::1/64 dev d`)
  const [{ addr_info }] = (await json(session, 'ip -j addr show d')) as [
    { addr_info: { local: string; label?: string }[] },
  ]
  expect(addr_info.map(({ local, label }) => [local, label])).toEqual([
    ['10.3.0.1', 'd'],
    ['10.2.0.1', 'd:two'],
    ['10.1.0.1', 'd'],
    ['10.1.0.2', 'd'],
    ['2001:db8:1::1', undefined],
    ['2001:db8::1', undefined],
    ['fe80::7', undefined],
    [expect.stringMatching(/^fe80::/), undefined],
  ])
  // and so the source of what stays on the link is the first of them that may be it
  await session.all('ip route add 10.9.0.0/16 dev d')
  expect(await session.cli('ip route get 10.9.0.1')).toMatch(/src 10\.2\.0\.1 /)
})

test('an IPv6 route has the preference and the end that it was given', async () => {
  const session = createSession()
  await session.all(`
    ip link add d type dummy
    ip link set d up
    ip -6 route add 2001:db8:1::/64 dev d pref high expires 500
    ip -6 route add 2001:db8:2::/64 dev d`)
  expect(await json(session, 'ip -6 -j route show root 2001:db8::/32')).toMatchObject([
    { dst: '2001:db8:1::/64', pref: 'high', expires: 500 },
    { dst: '2001:db8:2::/64', pref: 'medium' },
  ])
  await session.all('ip -6 route replace 2001:db8:1::/64 dev d')
  expect((await session.cli('ip -6 route show 2001:db8:1::/64')).trim()).toBe(
    '2001:db8:1::/64 dev d metric 1024 pref medium'
  )
  expect(await session.cli('ip -6 route add ::/0 dev d pref best')).toMatch(
    /"pref" value is invalid/
  )
})

test('-s -s tells errors by their kind, and how often the carrier came and went', async () => {
  const session = createSession()
  await session.all(`
    ip link add a type veth peer name b
    ip link set a up`)
  const before = await json(session, 'ip -j -s -s link show a')
  await session.all('ip link set b up')
  const after = await json(session, 'ip -j -s -s link show a')
  const changes = (links: unknown): number =>
    (links as [{ stats64: { tx: { carrier_changes: number } } }])[0].stats64.tx.carrier_changes
  expect(changes(after)).toBe(changes(before) + 1)
  expect(await session.cli('ip -s -s link show a')).toMatch(
    / {4}RX errors: {2}length {4}crc {3}frame {4}fifo overrun\n( +0){5} \n/
  )
  expect((await session.cli('ip -s link show a')).includes('RX errors')).toBe(false)
})
