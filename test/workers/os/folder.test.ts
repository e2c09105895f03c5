import { afterAll, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { openBelow } from '../../../workers/os/folder.ts'

const top = mkdtempSync(`${tmpdir()}/softnet-folder-`)
const folder = `${top}/files`
mkdirSync(`${folder}/sub`, { recursive: true })
writeFileSync(`${top}/secret`, 'secret')
mkdirSync(`${top}/files-too`)
symlinkSync(`${top}/secret`, `${folder}/link`)
symlinkSync(top, `${folder}/up`)
symlinkSync('sub', `${folder}/inside`)
afterAll(() => rmSync(top, { recursive: true }))

const { O_RDONLY, O_WRONLY, O_CREAT } = constants
const open = openBelow(folder)

test.each(['a', 'sub/b', './sub//c', `${folder}/d`])('%s lies in the folder', (name) => {
  const fd = open(name, O_WRONLY | O_CREAT)
  writeSync(fd, 'x')
  closeSync(fd)
  const path = name.startsWith('/') ? name : `${folder}/${name}`
  expect(readFileSync(path, 'utf8')).toBe('x')
})

test.each([
  '../secret',
  'sub/../../secret',
  `${folder}/../secret`,
  '/etc/passwd',
  `${top}/files-too/x`,
  folder,
  '',
  '.',
  '..',
  'a\0b',
])('%j does not', (name) => {
  expect(() => open(name, O_WRONLY | O_CREAT)).toThrow(`it must lie in ${folder}`)
})

test.each(['link', 'up/secret', 'inside/x', 'up/files/a'])(
  '%s is a way out, or may become one',
  (name) => {
    expect(() => open(name, O_RDONLY)).toThrow(/ELOOP|ENOTDIR/)
    expect(() => open(name, O_WRONLY | O_CREAT)).toThrow(/ELOOP|ENOTDIR/)
    expect(readFileSync(`${top}/secret`, 'utf8')).toBe('secret')
    expect(existsSync(`${folder}/sub/x`)).toBe(false)
  }
)

test('without a folder there are no files', () => {
  expect(() => openBelow(null)('a', O_RDONLY)).toThrow('files = "DIR" names one')
})

test('nothing stays open', () => {
  const opened = (): number => readdirSync('/proc/self/fd').length
  const before = opened()
  for (const name of ['sub/b', 'link', '../x', 'no/such'])
    try {
      closeSync(open(name, O_RDONLY))
    } catch {
      // Refused, as it should be.
    }
  expect(opened()).toBe(before)
})
