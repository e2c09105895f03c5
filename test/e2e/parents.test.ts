// What started the daemon ends, in whatever way, and the daemon ends with it: the wrapper of bin/, and npm or npx above
// it. A shell that started it in the background may go, as with any program.

import { afterAll, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { root } from '../../bin/bootstrap.mjs'
import { describeE2e } from './support/inside.ts'

const READY_WITHIN_MS = 20_000
const GONE_WITHIN_MS = 5_000

const until = async (isSo: () => boolean, limitMs: number, what: string): Promise<void> => {
  const deadline = performance.now() + limitMs
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`${what} in ${limitMs} ms`)
    await Bun.sleep(10)
  }
}

describeE2e(import.meta.path, 'a daemon and who started it', () => {
  const folder = mkdtempSync(`${tmpdir()}/softnet-parents-`)
  afterAll(() => rmSync(folder, { recursive: true }))
  let count = 0

  const start = async (command: readonly string[]) => {
    const name = `${folder}/${++count}`
    const up = ['up', '--workers', '1', '--api', `unix:${name}.sock`, '--pid-file', `${name}.pid`]
    const [program, ...args] = [...command, ...up]
    const env = {
      ...process.env,
      // As from a script of npm's, far above.
      npm_execpath: '/npm-cli.js',
      npm_config_cache: `${folder}/npm`,
      npm_config_update_notifier: 'false',
    }
    const child = spawn(program!, args, { cwd: root, env, stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
    const pidFile = `${name}.pid`
    const hasPid = () => existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n')
    await until(hasPid, READY_WITHIN_MS, 'not ready')
    return { child, ended, daemon: Number(readFileSync(pidFile, 'utf8')), name }
  }

  const WRAPPER = ['node', `${root}/bin/softnet.mjs`]
  /** npx makes the bin executable, which it may do in a checkout of our own alone. */
  const isOurs = statSync(root).uid === process.getuid?.()
  const NPM = isOurs ? ['npx', 'softnet'] : ['npm', 'run', 'softnet', '--']
  for (const command of [WRAPPER, NPM])
    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      test(`${command[0]} ends by ${signal}`, async () => {
        const { child, ended, daemon, name } = await start(command)
        child.kill(signal)
        await ended
        await until(() => !existsSync(`/proc/${daemon}`), GONE_WITHIN_MS, 'the daemon is not gone')
        for (const left of ['sock', 'sock.lock', 'sock~', 'pid', 'token'])
          expect([left, existsSync(`${name}.${left}`)]).toEqual([left, false])
      })

  test('the shell that started it ends, and it goes on', async () => {
    const quoted = WRAPPER.map((word) => `'${word}'`).join(' ')
    const { ended, daemon } = await start(['sh', '-c', `${quoted} "$@" & :`, 'sh'])
    await ended
    // Longer than the wrapper takes to see that npm has gone.
    await Bun.sleep(700)
    expect(existsSync(`/proc/${daemon}`)).toBe(true)
    process.kill(daemon, 'SIGTERM')
    await until(() => !existsSync(`/proc/${daemon}`), GONE_WITHIN_MS, 'the daemon is not gone')
  })
})
