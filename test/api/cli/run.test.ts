import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseDaemonArgs } from '../../../api/cli/daemon-args.ts'
import {
  chooseListen,
  choosePlaces,
  defaultSocketPath,
  formatEndpoint,
  isLoopback,
  parseEndpoint,
} from '../../../api/cli/endpoint.ts'
import { readOptions, run } from '../../../api/cli/run.ts'
import { createSoftnet } from '../support/softnet.ts'

test.each([
  [
    ['--api', 'unix:/a', '-j', 'ip', 'route'],
    { api: 'unix:/a', json: true, rest: ['ip', 'route'] },
  ],
  [['ip', '--api=127.0.0.1:1', 'route'], { api: '127.0.0.1:1', rest: ['ip', 'route'] }],
  [
    ['--api', 'unix:/a', 'up', '--workers', '2'],
    { rest: ['up', '--api', 'unix:/a', '--workers', '2'] },
  ],
  [['up', '--api', 'unix:/a'], { rest: ['up', '--api', 'unix:/a'] }],
  [['exec', '--', 'curl', '--api', 'x'], { rest: ['exec', '--', 'curl', '--api', 'x'] }],
  [['nstat', '--netns', 'shop', '-z'], { netns: 'shop', rest: ['nstat', '-z'] }],
  [['exec', '--netns=user', '--', 'true'], { rest: ['exec', '--netns', 'user', '--', 'true'] }],
  [['--version'], { version: true }],
])('%j', (argv, options) => {
  expect(readOptions(argv)).toMatchObject(options)
})

test.each([
  ['', 2],
  ['help', 0],
  ['nosuch', 2],
  ['up --help', 0],
  ['up --workers x', 2],
  ['up --nosuch', 2],
  ['up --schema', 0],
  ['up -c /nowhere.toml', 1],
  ['exec', 2],
  ['exec --help', 0],
  ['exec -- true', 1],
  ['ip help', 0],
  ['ip route help', 0],
  ['ss --help', 0],
])('softnet %s exits %d', async (line, status) => {
  const answer = await createSoftnet().cli(line)
  expect(answer.status).toBe(status)
  if (status === 0) expect(answer.err).toBe('')
  else expect(answer.out).toBe('')
})

test('a daemon that does not answer is one line that says where and what to do', async () => {
  let err = ''
  const status = await run(['ip', 'route'], {
    fetch: async () => {
      throw Object.assign(new Error('Was there a typo in the url or port?'), {
        code: 'FailedToOpenSocket',
      })
    },
    endpoint: 'unix:/run/softnet.sock',
    env: {},
    json: false,
    out: () => {},
    err: (text) => {
      err += text
    },
  })
  expect(status).toBe(1)
  expect(err).toBe(
    'softnet: no daemon answers at unix:/run/softnet.sock (start one with "softnet up", or say where with --api)\n'
  )
})

describe('the command line of the daemon', () => {
  test('everything at once', () => {
    const args = parseDaemonArgs(
      '-c f.toml --workers=3 --steering multiqueue --api unix:/a,127.0.0.1:0 --tap tap0=10.0.0.1/24 --tap tap1 --pid-file p --ready-fd 3 --duration 1.5 --pin --debug'.split(
        ' '
      )
    )
    expect(args).toMatchObject({
      configFile: 'f.toml',
      workers: 3,
      steering: 'multiqueue',
      api: ['unix:/a', '127.0.0.1:0'],
      taps: [{ name: 'tap0', address: '10.0.0.1/24' }, { name: 'tap1' }],
      pidFile: 'p',
      readyFd: 3,
      durationSec: 1.5,
      pin: true,
      debug: true,
    })
  })

  test.each([
    '--workers 0',
    '--workers 1.5',
    '--steering x',
    '--tap tap0=10.0.0.1',
    '--tap averyverylongname',
    '--ready-fd -1',
    '--api',
    'extra',
  ])('%s is a usage error', (line) => {
    expect(() => parseDaemonArgs(line.split(' '))).toThrow('softnet: ')
  })
})

describe('addresses of the API', () => {
  test.each([
    ['unix:/run/s.sock', 'unix:/run/s.sock'],
    ['unix:///run/s.sock', 'unix:/run/s.sock'],
    ['/run/s.sock', 'unix:/run/s.sock'],
    ['127.0.0.1:7777', 'http://127.0.0.1:7777'],
    ['http://localhost:80/', 'http://localhost:80'],
    ['[::1]:7777', 'http://[::1]:7777'],
    ['https://api.example:443', 'https://api.example:443'],
  ])('%s', (text, formatted) => {
    expect(formatEndpoint(parseEndpoint(text)!)).toBe(formatted)
  })

  test.each(['', 'unix:', '7777', ':7777', 'host', 'host:99999', '::1:7777'])(
    '"%s" is none',
    (text) => {
      expect(parseEndpoint(text)).toBeNull()
    }
  )

  const folder = mkdtempSync(`${tmpdir()}/softnet-run-`)
  afterAll(() => rmSync(folder, { recursive: true }))
  const ours = process.getuid!()
  const own = `${folder}/softnet.sock`

  test('--api, then $SOFTNET_API, then every default place: ours before those of root, loopback last', () => {
    expect(choosePlaces('a:1', { SOFTNET_API: 'b:1' }, 0)).toEqual(['a:1'])
    expect(choosePlaces(undefined, { SOFTNET_API: 'b:1' }, 0)).toEqual(['b:1'])
    expect(choosePlaces(undefined, { XDG_RUNTIME_DIR: folder }, ours)).toEqual([
      `unix:${own}`,
      `unix:/run/user/${ours}/softnet.sock`,
      'unix:/run/softnet.sock',
      `unix:/tmp/softnet-${ours}/softnet.sock`,
      '127.0.0.1:7777',
    ])
  })

  test('the daemon listens where its clients look, then where the file says', () => {
    const env = { XDG_RUNTIME_DIR: folder }
    expect(chooseListen(['c:1'], { ...env, SOFTNET_API: 'b:1' }, ours)).toEqual(['b:1'])
    expect(chooseListen(['c:1'], env, ours)).toEqual(['c:1'])
    expect(chooseListen(undefined, env, ours)).toEqual([`unix:${own}`, '127.0.0.1:7777'])
  })

  test("another user's runtime directory is not used", () => {
    const env = { XDG_RUNTIME_DIR: folder }
    expect(defaultSocketPath(env, ours)).toBe(own)
    expect(defaultSocketPath(env, ours + 1)).toBe(`/tmp/softnet-${ours + 1}/softnet.sock`)
  })

  test('without a runtime directory an ordinary user gets a private folder', () => {
    expect(defaultSocketPath({ XDG_RUNTIME_DIR: '/nowhere' }, 1000)).toBe(
      '/tmp/softnet-1000/softnet.sock'
    )
  })

  test.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
  ])('%s reaches others: not %p', (host, isOwn) => {
    expect(isLoopback(host)).toBe(isOwn)
  })
})
