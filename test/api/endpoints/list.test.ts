import { expect, test } from 'bun:test'
import { createSoftnet } from '../support/softnet.ts'

test('a list is {items, next, revision}', async () => {
  const { json, control } = createSoftnet()
  const { body, headers } = await json('/v1/links')
  expect(Object.keys(body)).toEqual(['items', 'next', 'revision'])
  expect(body.items.map((link: { ifname: string }) => link.ifname)).toEqual([
    'lo',
    'veth1',
    'veth0',
  ])
  expect([body.next, body.revision, headers.get('ETag')]).toEqual([
    null,
    control.revision(),
    `"${control.revision()}"`,
  ])
})

test('pages follow the cursor and end', async () => {
  const { json } = createSoftnet()
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const { body } = await json(`/v1/routes?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
    expect(body.items.length).toBeLessThanOrEqual(3)
    seen.push(...body.items.map((route: { dst: string }) => route.dst))
    cursor = body.next
  }
  const { body } = await json('/v1/routes')
  expect(seen).toEqual(body.items.map((route: { dst: string }) => route.dst))
})

test.each(['limit=0', 'limit=-1', 'limit=x', 'limit=100001', 'cursor=x', 'cursor=b2E'])(
  '%s is refused by its name',
  async (query) => {
    const { json } = createSoftnet()
    const { status, body } = await json(`/v1/routes?${query}`)
    expect([status, body.errors[0].field]).toEqual([400, query.split('=')[0]])
  }
)

test('application/x-ndjson is an item a line', async () => {
  const { request } = createSoftnet()
  const response = await request('/v1/neighs', { headers: { Accept: 'application/x-ndjson' } })
  expect(response.headers.get('Content-Type')).toBe('application/x-ndjson')
  const lines = (await response.text()).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line).dst)).toEqual(['10.1.0.5', '10.1.0.6', 'fd00:1::5'])
})

// What `ip -j` 6.1 prints for the same state.
test.each([
  [
    '/v1/tables/main/routes?format=iproute2&family=inet',
    '[{"dst":"default","gateway":"10.1.0.1","dev":"veth0","flags":[]},{"dst":"10.5.0.0/16","dev":"veth0","scope":"link","prefsrc":"10.1.0.254","flags":[],"metrics":[{"mtu":1400}]},{"type":"unreachable","dst":"10.7.0.0/16","flags":[]},{"dst":"10.9.0.0/16","gateway":"10.1.0.1","dev":"veth0","protocol":"static","metric":100,"flags":[]},{"dst":"10.1.0.0/24","dev":"veth0","protocol":"kernel","scope":"link","prefsrc":"10.1.0.254","flags":[]}]',
  ],
  [
    '/v1/tables/main/routes?format=iproute2&family=inet6',
    '[{"dst":"fe80::/64","dev":"veth1","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},{"dst":"fe80::/64","dev":"veth0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"},{"dst":"fd00:1::/64","dev":"veth0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"}]',
  ],
  [
    '/v1/links?format=iproute2&stats=1&ifname=veth0',
    '[{"ifindex":3,"link":"veth1","ifname":"veth0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"qdisc":"noqueue","operstate":"UP","linkmode":"DEFAULT","group":"default","txqlen":1000,"link_type":"ether","address":"66:61:bd:5e:22:a2","broadcast":"ff:ff:ff:ff:ff:ff","stats64":{"rx":{"bytes":90,"packets":1,"errors":0,"dropped":0,"over_errors":0,"multicast":0},"tx":{"bytes":110,"packets":1,"errors":0,"dropped":0,"carrier_errors":0,"collisions":0}}}]',
  ],
  [
    '/v1/neighs?format=iproute2&state=PERMANENT,STALE',
    '[{"dst":"10.1.0.5","dev":"veth0","lladdr":"02:00:00:00:00:05","state":["PERMANENT"]},{"dst":"fd00:1::5","dev":"veth0","lladdr":"02:00:00:00:00:05","router":null,"state":["STALE"]}]',
  ],
])('%s is the bare array of ip -j', async (path, printed) => {
  const { request } = createSoftnet()
  expect((await (await request(path)).text()).trimEnd()).toBe(printed)
})
