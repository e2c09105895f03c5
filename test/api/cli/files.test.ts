import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readText, writePidFile } from '../../../api/cli/files.ts'
import { cstring, libc } from '../../../workers/os/libc.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/softnet-test-`)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})
const fifo = (): string => {
  expect(libc.mkfifo(cstring(`${folder}/fifo`).at, 0o600)).toBe(0)
  return `${folder}/fifo`
}

test('a configuration file is read, whatever its characters', () => {
  const text = `# ${'ü€'.repeat(50_000)}\nworkers = 2\n`
  writeFileSync(`${folder}/toml`, text)
  expect(readText(`${folder}/toml`, false)).toBe(text)
  expect(readText(`${folder}/toml`, true)).toBe(text)
})

test('while the stack runs, a configuration that is no regular file is refused at once', () => {
  const path = fifo()
  expect(() => readText(path, true)).toThrow(`softnet: ${path}: not a regular file`)
  expect(() => readText(folder, true)).toThrow('not a regular file')
})

test('a configuration without an end is refused', () => {
  expect(() => readText('/dev/zero', false)).toThrow('larger than')
})

test('the process id goes to a regular file, and to nothing else', () => {
  writePidFile(`${folder}/pid`)
  expect(readFileSync(`${folder}/pid`, 'utf8')).toBe(`${process.pid}\n`)
  expect(() => writePidFile(fifo())).toThrow('ENXIO')
  expect(statSync(`${folder}/fifo`).isFIFO()).toBe(true)
  expect(() => writePidFile('/dev/null')).toThrow('not a regular file')
})
