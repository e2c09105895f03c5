import { expect, test } from 'bun:test'
import type { LinkItem } from '../../../core/control/text/messages.ts'
import { createSession } from '../support/session.ts'

const NETEM = { kind: 'netem', options: { delay: 20_000, loss: 0.5 } }

const pair = async () => {
  const { all, request } = createSession()
  await all(`
    ip link add a type veth peer name b
    ip link set a up
    ip link set b up`)
  const ask = async (method: string, path: string, body?: unknown, headers = {}) => {
    const answer = await request(path, {
      method,
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const netem = async () => ((await ask('GET', '/v1/links/a')).body as LinkItem).netem
  return { ask, netem }
}

test('a device has one, which is the netem of its link', async () => {
  const { ask, netem } = await pair()
  const { body } = await ask('GET', '/v1/qdiscs')
  expect(body['items']).toMatchObject([
    { dev: 'lo', kind: 'noqueue', handle: '0:', options: {}, packets: 0 },
    { dev: 'a', kind: 'noqueue' },
    { dev: 'b', kind: 'noqueue' },
  ])
  const made = await ask('POST', '/v1/qdiscs', { dev: 'a', ...NETEM })
  expect(made).toMatchObject({ status: 201, body: { item: { dev: 'a', ...NETEM } } })
  expect(await netem()).toEqual(NETEM.options)
  expect((await ask('GET', '/v1/qdiscs/a')).body).toMatchObject({ dev: 'a', ...NETEM, root: true })
  await ask('PUT', '/v1/qdiscs/a', { kind: 'netem', options: { loss: 1 } })
  expect(await netem()).toEqual({ loss: 1 })
  expect((await ask('DELETE', '/v1/qdiscs/a')).body['item']).toMatchObject({ kind: 'noqueue' })
  expect(await netem()).toBeUndefined()
})

test('a device that has never been up has none, nor one that lost it while it was down', async () => {
  const { all, cli } = createSession()
  await all('ip link add d type dummy')
  const shown = async () => [
    / qdisc (\w+) /.exec(await cli('ip link show d'))?.[1],
    await cli('tc qdisc show dev d'),
  ]
  const none = ['noop', '']
  const own = ['noqueue', 'qdisc noqueue 0: root refcnt 2 \n']
  expect(await shown()).toEqual(none)
  await all('ip link set d up')
  expect(await shown()).toEqual(own)
  await all('ip link set d down')
  expect(await shown()).toEqual(own)
  await all(`
    tc qdisc add dev d root netem loss 1%
    tc qdisc del dev d root`)
  expect(await shown()).toEqual(none)
  await all('ip link set d up')
  expect(await shown()).toEqual(own)
})

test('of two that add one at once one is told that it is there', async () => {
  const { ask, netem } = await pair()
  const both = [1, 2].map((loss) =>
    ask('POST', '/v1/qdiscs', { dev: 'a', kind: 'netem', options: { loss } })
  )
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([201, 409])
  expect(await netem()).toEqual({ loss: 1 })
  const gone = [1, 2].map(() => ask('DELETE', '/v1/qdiscs/a'))
  expect((await Promise.all(gone)).map(({ status }) => status)).toEqual([200, 404])
})

test('?format=iproute2 is what tc prints, with -s its counters', async () => {
  const { ask } = await pair()
  await ask('PUT', '/v1/qdiscs/a', NETEM)
  const shown = async (query: string) =>
    (await ask('GET', `/v1/qdiscs?format=iproute2${query}`)).body as unknown as object[]
  expect(await shown('&dev=a')).toEqual([
    {
      ...{ kind: 'netem', root: true, refcnt: 2 },
      handle: expect.stringMatching(/^80\d\d:$/),
      options: {
        limit: 1000,
        delay: { delay: 0.02, jitter: 0, correlation: 0 },
        'loss-random': { loss: 0.005, correlation: 0 },
        ...{ ecn: false, gap: 0 },
      },
    },
  ])
  expect((await shown(''))[0]).not.toHaveProperty('packets')
  expect((await shown('&stats=1'))[0]).toMatchObject({ dev: 'lo', packets: 0, qlen: 0 })
})

test.each([
  ['POST', '/v1/qdiscs', { dev: 'none', ...NETEM }, {}, 404, 'Cannot find device "none"'],
  ['GET', '/v1/qdiscs?dev=none', undefined, {}, 404, 'Cannot find device "none"'],
  ['POST', '/v1/qdiscs', { dev: 'b', ...NETEM }, {}, 409, 'Error: Exclusivity flag on'],
  ['PUT', '/v1/qdiscs/a', NETEM, { 'If-Match': '*' }, 404, 'Error: Qdisc not found'],
  ['PUT', '/v1/qdiscs/a', { kind: 'fq' }, {}, 404, 'Error: Specified qdisc kind is unknown'],
  ['PUT', '/v1/qdiscs/a', { kind: 'netem' }, {}, 422, 'Error: netem has to do something'],
  ['PUT', '/v1/qdiscs/a', { ...NETEM, rate: 1 }, {}, 422, '"rate"'],
  ['DELETE', '/v1/qdiscs/a', undefined, {}, 404, 'Error: Cannot delete qdisc with handle of zero'],
] as const)('%s %s %j %j is refused', async (method, path, body, headers, status, why) => {
  const { ask, netem } = await pair()
  await ask('PUT', '/v1/qdiscs/b', NETEM)
  const answer = await ask(method, path, body, headers)
  expect([answer.status, answer.body['detail']]).toEqual([status, expect.stringContaining(why)])
  expect(await netem()).toBeUndefined()
})
