import { afterAll, expect, test } from 'bun:test'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { createToken, findToken, tokenLink, writeTokenFile } from '../../api/token-file.ts'

const folder = mkdtempSync(`${tmpdir()}/softnet-token-`)
afterAll(() => rmSync(folder, { recursive: true }))

const ADDRESS = 'http://127.0.0.1:7777'

test('a token is 256 bits that no other daemon has', () => {
  expect(createToken()).toMatch(/^[\w-]{43}$/)
  expect(createToken()).not.toBe(createToken())
})

test('the file is its owner’s alone, gives the token for its address and no other, and goes', () => {
  const path = `${folder}/softnet.token`
  const remove = writeTokenFile(path, [tokenLink(ADDRESS, 'secret')])
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path, 'utf8')).toBe('http://127.0.0.1:7777/#token=secret\n')
  expect(findToken([`${folder}/none`, path], ADDRESS)).toBe('secret')
  expect(findToken([path], 'http://127.0.0.1:7778')).toBeUndefined()
  remove()
  expect(existsSync(path)).toBe(false)
})

test('the file of a daemon that died is replaced, and what another has put there since stays', () => {
  const path = `${folder}/stale.token`
  const removeFirst = writeTokenFile(path, [tokenLink(ADDRESS, 'first')])
  writeTokenFile(path, [tokenLink(ADDRESS, 'second')])
  removeFirst()
  expect(findToken([path], ADDRESS)).toBe('second')
})

test('a file that holds no token, or leads elsewhere, stays as it is', () => {
  const precious = `${folder}/precious`
  writeFileSync(precious, 'keep')
  const link = `${folder}/link.token`
  symlinkSync(precious, link)
  for (const path of [precious, link])
    expect(() => writeTokenFile(path, [tokenLink(ADDRESS, 'secret')])).toThrow(
      `cannot write ${path}: the file exists`
    )
  expect(readFileSync(precious, 'utf8')).toBe('keep')
})
