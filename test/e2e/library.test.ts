// A program that is a host: examples/tap.ts, with the kernel on the other side of its TAP.

import { expect, test } from 'bun:test'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { root } from '../../bin/bootstrap.mjs'
import { requireTool } from '../support/tools.ts'
import { describeE2e } from './support/inside.ts'

const ip = (...args: string[]): void => {
  const { exitCode, stderr } = Bun.spawnSync([requireTool('ip'), ...args])
  if (exitCode !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}

describeE2e(import.meta.path, 'a stack inside a program', () => {
  test('answers the kernel, and ends without a trace when it is told to', async () => {
    const program = Bun.spawn([process.execPath, 'examples/tap.ts'], {
      cwd: root,
      stdout: 'pipe',
      stderr: 'inherit',
    })
    try {
      const said = program.stdout.getReader()
      const { value } = await said.read()
      const hint = new TextDecoder().decode(value)
      expect(hint).toBe('ip addr add 10.9.0.1/24 dev soft0; nc 10.9.0.2 8080\n')
      ip('addr', 'add', '10.9.0.1/24', 'dev', 'soft0')
      const heard = await text(connect(8080, '10.9.0.2'))
      expect(heard).toBe('hello 10.9.0.1\n')
      program.kill('SIGINT')
      expect(await program.exited).toBe(0)
      expect(() => ip('link', 'show', 'soft0')).toThrow('does not exist')
    } finally {
      program.kill('SIGKILL')
    }
  })
})
