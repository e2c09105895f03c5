import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readBatch } from '../../../api/cli/batch.ts'
import { createSoftnet } from '../support/softnet.ts'

test('a batch has comments, quotes, empty lines and lines that go on', () => {
  const text = '# a\n\nroute add 10.0.0.0/8 \\\n  dev lo # why\nlink set "my dev" up\n  \n'
  expect(readBatch(text)).toEqual([
    { number: 4, words: ['route', 'add', '10.0.0.0/8', 'dev', 'lo'] },
    { number: 5, words: ['link', 'set', 'my dev', 'up'] },
  ])
})

describe('ip -batch', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(`${tmpdir()}/softnet-batch-`)
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const FAILS =
    'route add 10.40.0.0/16 dev veth0\nroute add 10.40.0.0/16 dev veth0 # twice\nroute add 10.41.0.0/16 dev veth0\n'
  const batch = async (text: string, options: string) => {
    const softnet = createSoftnet()
    writeFileSync(`${folder}/batch`, text)
    const said = await softnet.cli(`${options} ${folder}/batch`)
    const { out } = await softnet.cli('ip route show')
    return { ...said, has: (dst: string) => out.includes(`${dst} dev veth0`) }
  }

  test('does one command a line, with the options before them', async () => {
    const { status, out, err } = await batch(
      'route add 10.40.0.0/16 dev veth0\nroute show 10.40.0.0/16\naddr show dev lo\n',
      'ip -j -b'
    )
    expect([status, err]).toEqual([0, ''])
    const [routes, addresses] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(routes[0].dst).toBe('10.40.0.0/16')
    expect(addresses[0].ifname).toBe('lo')
  })

  test('ends at the first that fails, and says where', async () => {
    const { status, err, has } = await batch(FAILS, 'ip -batch')
    expect(status).toBe(1)
    expect(err).toContain('RTNETLINK answers: File exists')
    expect(err).toEndWith(`Command failed ${folder}/batch:2\n`)
    expect([has('10.40.0.0/16'), has('10.41.0.0/16')]).toEqual([true, false])
  })

  test('goes on with -force, and fails in the end', async () => {
    const { status, has } = await batch(FAILS, 'ip -force -batch')
    expect([status, has('10.41.0.0/16')]).toEqual([1, true])
  })

  test('a line that makes no sense is one that fails; no file is one line', async () => {
    const { err } = await batch('foo\n', 'ip -b')
    expect(err).toBe(`Object "foo" is unknown, try "ip help".\nCommand failed ${folder}/batch:1\n`)
    expect(await createSoftnet().cli('ip -b /nowhere')).toEqual({
      status: 1,
      out: '',
      err: 'Cannot open file "/nowhere" for reading: No such file or directory\n',
    })
  })
})
