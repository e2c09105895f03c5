// docs/sockets.md says which options there are, and of which sockets: each is asked of a stack.

import { expect, test } from 'bun:test'
import { root } from '../bin/bootstrap.mjs'
import { createSim } from '../sim/net/net-sim.ts'
import { readOptions, socketsWith } from './support/socket-options.ts'

test('sockets have the options that the table gives them, and no others', async () => {
  const sysctl = { 'net.ipv4.ping_group_range': '0 100' }
  const setup = { link: [{ ifname: 'lo', up: true }], sysctl }
  const { stack } = await createSim(1).host('host', { setup })
  const rows = readOptions(await Bun.file(`${root}/docs/sockets.md`).text())
  expect(rows.length).toBeGreaterThan(200)
  const live = rows.map((row) => {
    return { ...row, sockets: socketsWith(stack.sockets, row.level, row.number) }
  })
  expect(live).toEqual(rows)
  expect(new Set(rows.map(({ level, number }) => `${level} ${number}`)).size).toBe(rows.length)
})
