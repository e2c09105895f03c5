import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLog } from '../../workers/log.ts'
import { block, check, cstring, libc, O_NONBLOCK, O_RDWR, openPath } from '../../workers/os/libc.ts'

const withFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-test-`)
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('lines come out in order', () =>
  withFolder(async (folder) => {
    const fd = openSync(`${folder}/log`, 'w')
    const say = createLog(fd)
    for (let k = 0; k < 50; k++) say(`line ${k}`)
    const wanted = Array.from({ length: 50 }, (_, k) => `softnet: line ${k}\n`).join('')
    const read = (): string => readFileSync(`${folder}/log`, 'utf8')
    const deadline = performance.now() + 5000
    while (read() !== wanted && performance.now() < deadline) await Bun.sleep(1)
    expect(read()).toBe(wanted)
    closeSync(fd)
  }))

test('a reader that does not read holds nobody up, and hears how much it has missed', () =>
  withFolder(async (folder) => {
    check(libc.mkfifo(cstring(`${folder}/pipe`).at, 0o600), 'mkfifo')
    const reader = openPath(`${folder}/pipe`, O_RDWR | O_NONBLOCK)
    const writer = openPath(`${folder}/pipe`, O_RDWR)
    const say = createLog(writer)
    const line = 'x'.repeat(1000)
    const startMs = performance.now()
    for (let k = 0; k < 400; k++) say(line)
    expect(performance.now() - startMs).toBeLessThan(1000)
    const room = block(65536)
    let text = ''
    const deadline = performance.now() + 5000
    while (!text.includes('were lost') && performance.now() < deadline) {
      const n = libc.read(reader, room.at, room.bytes.length)
      if (n > 0) text += new TextDecoder().decode(room.bytes.subarray(0, n))
      else await Bun.sleep(1)
    }
    expect(text).toContain('softnet: 143 lines were lost')
    for (const fd of [reader, writer]) libc.close(fd)
  }))
