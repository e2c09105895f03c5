// The kinds of problems: each is raised somewhere, has a page that needs no token, and is in /openapi.json. That what the other
// tests provoke has its page, support/problems.ts holds.

import { expect, test } from 'bun:test'
import { Glob } from 'bun'
import { KINDS, type KindName, isErrnoKind, typeOf } from '../../api/problem-kinds.ts'
import { root } from '../../bin/bootstrap.mjs'
import { createSoftnet } from './support/softnet.ts'

const names = Object.keys(KINDS) as KindName[]
const { request } = createSoftnet({}, { listener: 'network' })
const textOf = async (path: string): Promise<string> => (await request(path)).text()

test('each has a page for everybody, with what it means and what to do', async () => {
  const list = await textOf('/problems')
  for (const name of names) {
    const { title, means, todo, status } = KINDS[name]
    const page = (await textOf(typeOf(name))).replaceAll('&quot;', '"').replaceAll('&#39;', "'")
    expect([name, page.includes(`<h1>${title}</h1>`)]).toEqual([name, true])
    for (const said of [means, todo, `<code>${status}</code>`]) expect(page).toContain(said)
    expect(list).toContain(`href="${typeOf(name)}"`)
  }
  for (const path of ['/problems/ENOSUCH', '/problems/', '/problems/EEXIST/x'])
    expect([path, (await request(path)).status]).not.toEqual([path, 200])
})

test('their pages run no script', async () => {
  const response = await request('/problems')
  expect(response.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
  expect(await response.text()).not.toContain('<script')
})

test('what is named by an errno has it, and its words', () => {
  for (const name of names.filter(isErrnoKind)) expect(KINDS[name].errno).toBe(name)
  expect(names.filter((name) => KINDS[name].title.startsWith('E'))).toEqual([])
})

test('each is raised somewhere', async () => {
  let tree = ''
  for (const pattern of [
    'api/**/*.ts',
    'core/{control,inet,neigh,netdev,dev}/**/*.ts',
    'workers/**/*.ts',
  ])
    for await (const path of new Glob(pattern).scan({ cwd: root }))
      if (path !== 'api/problem-kinds.ts') tree += await Bun.file(`${root}/${path}`).text()
  const isRaised = (name: KindName): boolean =>
    tree.includes(`'${name}'`) || new RegExp(`Errno\\.${name}\\b`).test(tree)
  expect(names.filter((name) => !isRaised(name))).toEqual([])
})

test('the document of the API lists them', async () => {
  const { body } = await createSoftnet().json('/openapi.json')
  expect(body.components.schemas.Problem.properties.type.enum).toEqual(names.map(typeOf))
})
