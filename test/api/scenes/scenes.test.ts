import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { listScenes, readScene, SCENES } from '../../../api/scenes/scenes.ts'
import { root } from '../../../bin/bootstrap.mjs'
import { createSoftnet } from '../support/softnet.ts'

/** What is said of a file with this text. */
const refusal = (text: string): string => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-scene-`)
  const file = `${folder}/mine.toml`
  try {
    writeFileSync(file, text)
    readScene(file)
    return ''
  } catch (error) {
    return (error as Error).message.replace(file, 'mine.toml')
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const head = 'title = "t"\nabout = ""\ntry = []\n'
const lan = (more = ''): string =>
  `[[lan]]\nname = "lan0"\naddresses = ["10.1.0.1/24"]\nhost = [{ name = "shop", addresses = ["10.1.0.10/24"]${more} }]\n`

test('the document’s scene is one', () => {
  const text = readFileSync(`${root}/docs/scenes.md`, 'utf8')
  expect(refusal(/```toml\n([^`]*)```/.exec(text)![1]!)).toBe('')
})

test.each([
  ['', '"title": expected string'],
  [head, '"lan": expected array'],
  [`${head}${lan(', mtu = "x"')}`, '"lan[0].host[0].mtu": expected number'],
  [`${head}${lan(', color = 1')}`, 'unknown field "lan[0].host[0].color".'],
  [`${head}${lan().replace('shop', 'Shop!')}`, '"Shop!" is no name of a host'],
  [`${head}${lan()}${lan()}`, 'there are two hosts "shop"'],
  [
    `${head}${lan()}[[traffic]]\nkind = "stream"\nfrom = "desk"\nto = "shop"\nevery_ms = 1\nbytes = 1`,
    'there is no host "desk"',
  ],
  [`${head}${lan()}[[traffic]]\nkind = "songs"\nfrom = "shop"\nevery_ms = 1`, 'traffic[0].kind'],
  ['title = ', 'softnet: mine.toml: '],
])('a file with a mistake: %#', (text, said) => {
  const line = refusal(text)
  expect(line).toStartWith('softnet: mine.toml: ')
  expect(line).toContain(said)
  expect(line).not.toContain('\n')
})

test('what is right is taken', () => expect(refusal(head + lan())).toBe(''))

test('--list names them, --print writes one out, and what there is not is said', async () => {
  const { cli } = createSoftnet()
  const list = await cli('demo --list')
  expect(list).toEqual({ status: 0, out: listScenes(), err: '' })
  expect(list.out.trim().split('\n')).toHaveLength(Object.keys(SCENES).length)
  expect((await cli('demo --print loss')).out).toBe(SCENES['loss']!)
  expect(JSON.parse((await cli('demo --schema')).out).required).toContain('lan')
  expect(await cli('demo nosuch')).toEqual({
    status: 1,
    out: '',
    err: 'softnet: there is no scene "nosuch", try "softnet demo --list"\n',
  })
  expect((await cli('demo ./nosuch.toml')).err).toBe(
    'softnet: ./nosuch.toml: No such file or directory\n'
  )
  expect((await cli('up loss')).status).toBe(2)
})
