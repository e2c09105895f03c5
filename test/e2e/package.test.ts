// What npm packs, unpacked elsewhere, beside nothing but what it depends on, and the executable that is one file: each starts,
// serves, and its clients find it.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import packageJson from '../../package.json'
import { root } from '../../bin/bootstrap.mjs'
import { requireTool } from '../support/tools.ts'

const TIMEOUT_MS = 60_000

const folder = mkdtempSync(join(tmpdir(), 'softnet-package-'))
const unpacked = join(folder, 'node_modules', 'softnet')
const executable = join(folder, 'softnet')
const socket = `unix:${join(folder, 'api')}`

const run = (argv: string[], cwd = folder) => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, {
    cwd,
    env: { ...process.env, XDG_RUNTIME_DIR: folder, SOFTNET_API: socket },
    timeout: 30_000,
  })
  return { status: exitCode, out: `${stdout}`, err: `${stderr}` }
}

beforeAll(() => {
  mkdirSync(unpacked, { recursive: true })
  const packed = run(['npm', 'pack', '--ignore-scripts', '--pack-destination', folder], root)
  expect([packed.status, packed.err.includes('npm error')]).toEqual([0, false])
  const [archive] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  const untar = ['tar', 'xzf', join(folder, archive!), '--strip-components=1', '-C', unpacked]
  expect(run(untar).status).toBe(0)
  for (const name of readdirSync(join(root, 'node_modules')).filter(isNeeded))
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  // built from what was packed
  const built = run([process.execPath, join(unpacked, 'bin/build.ts'), executable])
  expect([built.status, built.err]).toEqual([0, ''])
}, TIMEOUT_MS)
afterAll(() => rmSync(folder, { recursive: true }))

/** What development alone needs is not there. */
const isNeeded = (name: string): boolean => !Object.hasOwn(packageJson.devDependencies, name)

test('the package has no tests, and what it needs to start', () => {
  const there = readdirSync(unpacked)
  // bench and packetdrill stand on what tests stand on
  expect(readdirSync(join(unpacked, 'test')).sort()).toEqual(['e2e', 'support'])
  expect(readdirSync(join(unpacked, 'test/e2e'))).toEqual(['support'])
  expect(there).toEqual(
    expect.arrayContaining(['api', 'bin', 'core', 'workers', 'LICENSE', 'README.md'])
  )
})

const INSTALLS = [
  { install: 'the package', command: ['node', join(unpacked, 'bin/softnet.mjs')], hasBench: true },
  { install: 'the executable', command: [executable], hasBench: false },
]

describe.each(INSTALLS)('$install', ({ command, hasBench }) => {
  const softnet = (...args: string[]) => run([...command, ...args])
  /** The first that the daemon says. */
  const firstWords = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
    const { value } = await stream.getReader().read()
    return new TextDecoder().decode(value)
  }

  test(
    'a daemon runs, and its clients find it',
    async () => {
      expect(softnet('-V')).toEqual({ status: 0, out: `softnet ${packageJson.version}\n`, err: '' })
      const daemon = Bun.spawn([...command, 'demo', '--api', socket], {
        cwd: folder,
        env: { ...process.env, XDG_RUNTIME_DIR: folder, SOFTNET_API: '' },
        stdout: 'pipe',
        stderr: 'inherit',
      })
      try {
        expect(await firstWords(daemon.stdout)).toContain('softnet: API at unix:')
        expect(softnet('ip', 'route').out).toContain('dev lan0')
        expect(softnet('top', '-b', '-n', '1', '-d', '0.2').out).toContain('softnet top: ')
        // a namespace of its own, by a process of its own; the hosts' web servers are threads that load a module
        const wget = ['exec', '--', requireTool('curl'), '-s', 'http://10.1.0.10/']
        expect(softnet(...wget)).toMatchObject({ status: 0, out: expect.stringContaining('html') })
        for (const page of ['/', '/docs', '/page/main.js', '/page/main.css', '/openapi.json']) {
          const { status, ok } = await fetch(`http://softnet${page}`, { unix: socket.slice(5) })
          expect([page, status, ok]).toEqual([page, 200, true])
        }
      } finally {
        daemon.kill()
        expect(await daemon.exited).toBe(0)
      }
    },
    TIMEOUT_MS
  )

  test(
    'its programs run',
    () => {
      expect(softnet('sim', '--seeds', '1', '--jobs', '1').out).toContain('1 seeds, 0 failed')
      const script = join(root, 'test/scripts/linux-connect-twice.pkt')
      expect(softnet('packetdrill', script).out).toContain('1 passed, 0 failed')
      expect(softnet('man', 'ip').out).toStartWith('.TH SOFTNET-IP 1')
      expect(softnet('bench', '--help').status).toBe(hasBench ? 0 : 1)
    },
    TIMEOUT_MS
  )
})
