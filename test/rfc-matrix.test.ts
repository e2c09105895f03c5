// docs/rfc-matrix.md says what the RFCs ask and which test proves it: each test that it names is there, and of what they
// insist on nearly all is done.

import { expect, test } from 'bun:test'
import { root } from '../bin/bootstrap.mjs'
import { readMatrix, titlesIn } from './support/rfc-matrix.ts'

const RFCS = [1122, 1812, 3376, 3810, 4443, 4861, 4862, 5227, 5722, 6724, 6864, 8200, 8504].map(
  (number) => `RFC ${number}`
)
/** Of the MUSTs that apply, in hundredths. */
const LEAST_DONE = 97

const lines = readMatrix(await Bun.file(`${root}/docs/rfc-matrix.md`).text())

test('it has every RFC', () => {
  expect([...new Set(lines.map(({ rfc }) => rfc))].sort()).toEqual(RFCS.sort())
})

test('every test that it names is there', async () => {
  const missing: string[] = []
  const known = new Map<string, Set<string>>()
  for (const { rfc, section, proof } of lines) {
    if (proof === null) continue
    const file = Bun.file(`${root}/${proof.file}`)
    if (!known.has(proof.file))
      known.set(proof.file, titlesIn((await file.exists()) ? await file.text() : ''))
    for (const title of proof.titles)
      if (!known.get(proof.file)!.has(title))
        missing.push(`${rfc} ${section}: ${proof.file} has no "${title}"`)
  }
  expect(missing).toEqual([])
})

test('nearly every MUST is done', () => {
  const musts = lines.filter(({ level, applies }) => level.startsWith('MUST') && applies)
  const done = musts.filter(({ isDone }) => isDone)
  expect((100 * done.length) / musts.length).toBeGreaterThanOrEqual(LEAST_DONE)
})

test('a line that cannot be read, and a test that is not there, are found', () => {
  expect(() => readMatrix('| 3 | MUST | something | soon |')).toThrow('cannot be read')
  expect([...titlesIn("test('one', () => {})\nit(`two ${x}`, async () => {})")]).toEqual([
    'one',
    'two ${x}',
  ])
})
