// What npm packs, unpacked elsewhere, beside nothing but what it depends on: it starts, serves, and its clients find it.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import packageJson from '../../package.json'
import { root } from '../../bin/bootstrap.mjs'

const TIMEOUT_MS = 60_000

const folder = mkdtempSync(join(tmpdir(), 'softnet-package-'))
const unpacked = join(folder, 'node_modules', 'softnet')
const socket = `unix:${join(folder, 'api')}`

const run = (argv: string[], cwd = folder) => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, {
    cwd,
    env: { ...process.env, XDG_RUNTIME_DIR: folder, SOFTNET_API: socket },
    timeout: 30_000,
  })
  return { status: exitCode, out: `${stdout}`, err: `${stderr}` }
}
const softnet = (...args: string[]) => run(['node', join(unpacked, 'bin/softnet.mjs'), ...args])

beforeAll(() => {
  mkdirSync(unpacked, { recursive: true })
  const packed = run(['npm', 'pack', '--ignore-scripts', '--pack-destination', folder], root)
  expect([packed.status, packed.err.includes('npm error')]).toEqual([0, false])
  const [archive] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  const untar = ['tar', 'xzf', join(folder, archive!), '--strip-components=1', '-C', unpacked]
  expect(run(untar).status).toBe(0)
  for (const name of readdirSync(join(root, 'node_modules')).filter(isNeeded))
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
}, TIMEOUT_MS)
afterAll(() => rmSync(folder, { recursive: true }))

/** What development alone needs is not there. */
const isNeeded = (name: string): boolean => !Object.hasOwn(packageJson.devDependencies, name)

test('it has no tests, and what it needs to start', () => {
  const there = readdirSync(unpacked)
  // bench and packetdrill stand on what tests stand on
  expect(readdirSync(join(unpacked, 'test')).sort()).toEqual(['e2e', 'support'])
  expect(readdirSync(join(unpacked, 'test/e2e'))).toEqual(['support'])
  expect(there).toEqual(
    expect.arrayContaining(['api', 'bin', 'core', 'workers', 'LICENSE', 'README.md'])
  )
})

test(
  'a daemon runs, and its clients find it',
  async () => {
    expect(softnet('-V')).toEqual({ status: 0, out: `softnet ${packageJson.version}\n`, err: '' })
    const daemon = Bun.spawn(['node', join(unpacked, 'bin/softnet.mjs'), 'demo', '--api', socket], {
      cwd: folder,
      env: { ...process.env, XDG_RUNTIME_DIR: folder, SOFTNET_API: '' },
      stdout: 'pipe',
      stderr: 'inherit',
    })
    try {
      const reader = daemon.stdout.getReader()
      const { value } = await reader.read()
      expect(new TextDecoder().decode(value)).toContain('softnet: API at unix:')
      expect(softnet('ip', 'route').out).toContain('dev lan0')
      expect(softnet('top', '-b', '-n', '1', '-d', '0.2').out).toContain('softnet top: ')
      for (const command of ['packetdrill', 'sim', 'bench'])
        expect([command, softnet(command, '--help').status]).toEqual([command, 0])
    } finally {
      daemon.kill()
      expect(await daemon.exited).toBe(0)
    }
  },
  TIMEOUT_MS
)
