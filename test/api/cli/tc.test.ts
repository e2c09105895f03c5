import { expect, test } from 'bun:test'
import { createSession } from '../support/session.ts'

const pair = async () => {
  const session = createSession()
  await session.all(`
    ip link add a type veth peer name b
    ip link set a up`)
  return session
}

test('netem is set, shown as tc shows it, changed, and taken away', async () => {
  const { cli, all } = await pair()
  expect(await cli('tc qdisc show dev a')).toBe('qdisc noqueue 0: root refcnt 2 \n')
  await all(
    'tc qdisc add dev a root netem limit 500 delay 100ms 1.5ms loss random 1.5% duplicate 2% corrupt 0.1% reorder 25%'
  )
  expect(await cli('tc qdisc show dev a')).toBe(
    'qdisc netem 8002: root refcnt 2 limit 500 delay 100ms  1.5ms loss 1.5% duplicate 2% reorder 25% corrupt 0.1% gap 1\n'
  )
  expect(await cli('tc -s qdisc show dev a')).toEndWith(
    ' gap 1\n Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n backlog 0b 0p requeues 0\n'
  )
  const [found] = JSON.parse(await cli('tc -j qdisc show dev a')) as [{ options: object }]
  expect(found.options).toEqual({
    limit: 500,
    delay: { delay: 0.1, jitter: 0.0015, correlation: 0 },
    'loss-random': { loss: 0.015, correlation: 0 },
    duplicate: { duplicate: 0.02, correlation: 0 },
    reorder: { reorder: 0.25, correlation: 0 },
    corrupt: { corrupt: 0.001, correlation: 0 },
    ecn: false,
    gap: 1,
  })
  await all('tc qdisc change dev a root netem delay 1500000')
  expect(await cli('tc qdisc')).toContain('dev a root refcnt 2 limit 1000 delay 1.5s\n')
  await all('tc qdisc replace dev a root netem delay 200us')
  expect(await cli('tc qdisc')).toContain('delay 200us\n')
  await all('tc qdisc del dev a root')
  expect(await cli('tc qdisc show dev a')).toBe('qdisc noqueue 0: root refcnt 2 \n')
})

test.each([
  ['tc qdisc add dev none root netem loss 1%', /^1: Cannot find device "none"/],
  ['tc qdisc del dev a root', /^1: Error: Cannot delete qdisc with handle of zero/],
  ['tc qdisc change dev a root netem loss 1%', /^1: Error: Qdisc not found/],
  ['tc qdisc add dev a root fq', /^1: Error: Specified qdisc kind is unknown/],
  ['tc qdisc add dev a ingress', /^1: Error: softnet has qdiscs at the root alone/],
  ['tc qdisc add dev a root netem delay soon', /^2: Illegal "latency"/],
  ['tc qdisc add dev a root netem loss 200%', /^2: Illegal "loss percent"/],
  ['tc qdisc add dev a root netem loss 1% 50%', /^2: .*correlation/],
  ['tc qdisc add dev a root netem reorder 5%', /^2: reordering not possible/],
  ['tc qdisc add dev a root netem rate 1mbit', /^2: What is "rate"/],
  ['tc qdisc add dev a root netem limit 5', /^2: netem of softnet has to do something/],
  ['tc qdisc add root netem loss 1%', /^2: Error: "dev" is required/],
  ['tc class show', /^2: Object "class" is unknown/],
  ['tc qdisc frob', /^2: Command "frob" is unknown/],
])('%s is refused, and nothing is set', async (line, said) => {
  const { cli } = await pair()
  expect(await cli(line)).toMatch(said)
  expect(await cli('tc qdisc show dev a')).toBe('qdisc noqueue 0: root refcnt 2 \n')
})

test('one that is there is not added once more', async () => {
  const { cli, all } = await pair()
  await all('tc qdisc add dev a root netem loss 1%')
  expect(await cli('tc qdisc add dev a root netem loss 2%')).toMatch(
    /^1: Error: Exclusivity flag on/
  )
  expect(await cli('tc qdisc show dev a')).toContain('loss 1%')
})
