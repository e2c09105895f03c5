// docs/sysctls.md says which of Linux's sysctls there are not: none of them is one.

import { expect, test } from 'bun:test'
import { root } from '../bin/bootstrap.mjs'
import { sysctlDefaults } from '../core/control/sysctls.ts'

const page = await Bun.file(`${root}/docs/sysctls.md`).text()
const namesIn = (text: string): string[] =>
  [...text.matchAll(/net\.[a-z0-9_]+(?:\.(?:[a-z0-9_]+|\\\*))+/g)].map(([name]) =>
    name.replace('\\*', 'default')
  )
const [, differing = '', absent = ''] = page.split(/^## /m)

test('what is said to differ is there, and what is said not to be there is not', () => {
  const names = new Set(sysctlDefaults().keys())
  expect(namesIn(differing).length).toBeGreaterThan(5)
  expect(namesIn(differing).filter((name) => !names.has(name))).toEqual([])
  expect(namesIn(absent).length).toBeGreaterThan(20)
  expect(namesIn(absent).filter((name) => names.has(name))).toEqual([])
})
