import { expect, test } from 'bun:test'
import { inKernelOrder } from '../../../api/iproute2/route-order.ts'
import { makeRoute } from '../support/items.ts'

const order = (dsts: string[], family: 'inet' | 'inet6' = 'inet'): string[] =>
  inKernelOrder(dsts.map((dst) => makeRoute(dst, { family }))).map((route) => route.dst)

test('IPv4 goes by address, the longer prefix first', () => {
  expect(order(['10.9.0.0/16', '192.168.0.0/16', '10.0.0.0/8', 'default', '10.0.0.0/16'])).toEqual([
    'default',
    '10.0.0.0/16',
    '10.0.0.0/8',
    '10.9.0.0/16',
    '192.168.0.0/16',
  ])
})

test('IPv6 tells what lies inside a prefix before it', () => {
  expect(order(['default', 'fe80::/64', 'fd00::/8', 'fd00:1::/64'], 'inet6')).toEqual([
    'fd00:1::/64',
    'fd00::/8',
    'fe80::/64',
    'default',
  ])
})

test('tables stay apart, metrics rise', () => {
  const routes = [
    makeRoute('10.0.0.0/8', { table: 'local' }),
    makeRoute('10.0.0.0/8', { metric: 5 }),
    makeRoute('default', { table: 'local' }),
    makeRoute('10.0.0.0/8'),
  ]
  expect(inKernelOrder(routes).map(({ dst, table, metric }) => [dst, table, metric])).toEqual([
    ['10.0.0.0/8', 'main', undefined],
    ['10.0.0.0/8', 'main', 5],
    ['default', 'local', undefined],
    ['10.0.0.0/8', 'local', undefined],
  ])
})
