import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { counterBank, Mib } from '../../../core/shm/counters.ts'
import { createSoftnet } from '../support/softnet.ts'

let folder: string
let files = 0
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/softnet-nstat-`)
})
afterAll(() => rmSync(folder, { recursive: true }))

const world = async () => {
  const softnet = createSoftnet()
  await softnet.ready
  const NSTAT_HISTORY = `${folder}/${++files}`
  const { arena } = softnet
  return {
    history: NSTAT_HISTORY,
    count: (n: number): void => {
      const at = counterBank(arena, 0) + Mib.UdpInDatagrams
      arena.f64[at] = arena.f64[at]! + n
    },
    /** The counters that are shown. */
    nstat: async (options = '') => {
      const { status, out, err } = await softnet.cli(`nstat ${options}`, { NSTAT_HISTORY })
      const rows = out
        .split('\n')
        .slice(1, -1)
        .map((line) => line.split(/ +/))
      return {
        status,
        err,
        out,
        shown: Object.fromEntries(rows.map(([name, n]) => [name, Number(n)])),
      }
    },
  }
}

test('says what has come since it was asked the last time', async () => {
  const { nstat, count, history } = await world()
  expect((await nstat()).shown).toMatchObject({ UdpInDatagrams: 9, IpInReceives: 5 })
  expect((await nstat()).out).toBe('#kernel\n')
  count(3)
  expect((await nstat()).shown).toEqual({ UdpInDatagrams: 3 })
  // nobody else reads what is counted
  expect(statSync(history).mode & 0o777).toBe(0o600)
})

test('-s leaves the history as it is, -a does not look at it, -n writes it alone, -r begins it anew', async () => {
  const { nstat, count } = await world()
  expect((await nstat('-n')).out).toBe('')
  count(3)
  expect((await nstat('-s')).shown).toEqual({ UdpInDatagrams: 3 })
  expect((await nstat('-as')).shown).toMatchObject({ UdpInDatagrams: 12 })
  expect((await nstat('-s')).shown).toEqual({ UdpInDatagrams: 3 })
  expect((await nstat('-a')).shown).toMatchObject({ UdpInDatagrams: 12 })
  expect((await nstat('-z Udp*')).shown).toMatchObject({ UdpInDatagrams: 0, UdpInErrors: 0 })
  expect((await nstat('-r')).shown).toMatchObject({ UdpInDatagrams: 12 })
  expect((await nstat()).shown).toEqual({})
})

test('counters that fell are those of another daemon', async () => {
  const { nstat, count } = await world()
  await nstat()
  count(-5)
  expect((await nstat()).shown).toMatchObject({ UdpInDatagrams: 4, IpInReceives: 5 })
})

test('what is connected now is no matter of a history', async () => {
  const { nstat } = await world()
  expect((await nstat('-az')).out).not.toContain('CurrEstab')
})

test('a history that is broken, or leads elsewhere, is refused', async () => {
  const { nstat, history } = await world()
  writeFileSync(history, 'nonsense')
  expect(await nstat()).toMatchObject({ status: 1, out: '' })
  expect((await nstat('-r')).status).toBe(0)
  rmSync(history)
  writeFileSync(`${folder}/other`, 'mine')
  symlinkSync(`${folder}/other`, history)
  expect((await nstat('-r')).status).toBe(1)
  expect(readFileSync(`${folder}/other`, 'utf8')).toBe('mine')
})
