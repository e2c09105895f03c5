import { expect, test } from 'bun:test'
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLog, isJournal, type Log } from '../../workers/log.ts'
import { block, check, cstring, libc, O_NONBLOCK, O_RDWR, openPath } from '../../workers/os/libc.ts'

const withFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-test-`)
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What is in the file once `tell` has said so many lines. */
const linesOf = (
  options: Parameters<typeof createLog>[0],
  count: number,
  tell: (log: Log) => void
): Promise<string[]> =>
  withFolder(async (folder) => {
    const fd = openSync(`${folder}/log`, 'w')
    tell(createLog({ ...options, fd }))
    const read = (): string[] => readFileSync(`${folder}/log`, 'utf8').split('\n').slice(0, -1)
    const deadline = performance.now() + 5000
    while (read().length < count && performance.now() < deadline) await Bun.sleep(1)
    closeSync(fd)
    return read()
  })

const sayAll = (log: Log): void => {
  log('debug', 'GET /v1/links', { status: 200 })
  log('info', 'ready')
  log('warning', 'a "state"', { dev: 'lan0' })
  log('err', 'Error: thrown\n    at x (a.ts:1:2)\n', { thread: 1 })
}

test('an event is a line, whatever is in its words; what is less important than was asked for has none', async () => {
  expect(await linesOf({ level: 'info' }, 3, sayAll)).toEqual([
    'softnet: ready',
    'softnet: a "state" dev=lan0',
    'softnet: Error: thrown | at x (a.ts:1:2) thread=1',
  ])
  expect(await linesOf({ level: 'err' }, 1, sayAll)).toHaveLength(1)
  expect(await linesOf({ level: 'debug' }, 4, sayAll)).toHaveLength(4)
})

test('as JSON it has its time, its level and its fields', async () => {
  const lines = await linesOf({ format: 'json', level: 'warning' }, 2, sayAll)
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    { time: expect.any(String), level: 'warning', message: 'a "state"', dev: 'lan0' },
    {
      ...{ time: expect.any(String), level: 'err', thread: 1 },
      message: 'Error: thrown\n    at x (a.ts:1:2)\n',
    },
  ])
})

test('the journal is told how important a line is', async () => {
  const lines = await linesOf({ journal: true, level: 'debug' }, 4, sayAll)
  expect(lines.map((line) => line.slice(0, 11))).toEqual([
    '<7>softnet:',
    '<6>softnet:',
    '<4>softnet:',
    '<3>softnet:',
  ])
})

test('the journal is there when the descriptor is the one that the environment names', () =>
  withFolder(async (folder) => {
    const fd = openSync(`${folder}/log`, 'w')
    const { dev, ino } = fstatSync(fd)
    expect(isJournal(`${dev}:${ino}`, fd)).toBe(true)
    expect(isJournal(`${dev}:${ino + 1}`, fd)).toBe(false)
    expect(isJournal(undefined, fd)).toBe(false)
    closeSync(fd)
  }))

test('lines come out in order', () =>
  withFolder(async (folder) => {
    const fd = openSync(`${folder}/log`, 'w')
    const say = createLog({ fd })
    for (let k = 0; k < 50; k++) say('notice', `line ${k}`)
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
    const say = createLog({ fd: writer })
    const line = 'x'.repeat(1000)
    const startMs = performance.now()
    for (let k = 0; k < 400; k++) say('notice', line)
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
