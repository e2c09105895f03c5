// One line of ip to the kernel, in the namespace of the test, and to a softnet of its own.

import { writeFileSync } from 'node:fs'
import { createSession } from '../../api/support/session.ts'
import { requireTool } from '../../support/tools.ts'

export type Said = { isDone: boolean; text: string }

/** What softnet adds to a refusal: the field, and what to do. */
const HINT = / \([\w.]+: .*\)$/m

export const createBeside = () => {
  const softnet = createSession({ fibTables: 32 })
  const kernel = (line: string): Said => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([requireTool('ip'), ...line.split(' ')], {
      env: { ...process.env, LC_ALL: 'C' },
    })
    return { isDone: exitCode === 0, text: `${stdout}${stderr}`.trim() }
  }
  const ours = async (line: string): Promise<Said> => {
    const said = await softnet.cli(`ip ${line}`)
    const refusal = /^[12]: /.exec(said)
    return {
      isDone: refusal === null,
      text: said
        .slice(refusal?.[0].length ?? 0)
        .replace(HINT, '')
        .trim(),
    }
  }
  const both = async (line: string) => ({ line, kernel: kernel(line), ours: await ours(line) })
  /** The first line that one of them did not take in silence, with what they said. */
  const firstRefused = async (lines: readonly string[]): Promise<object | undefined> => {
    for (const line of lines) {
      const said = await both(line)
      const isQuiet = [said.kernel, said.ours].every(({ isDone, text }) => isDone && text === '')
      if (!isQuiet) return said
    }
    return undefined
  }
  /** Sets a sysctl of both. */
  const sysctl = async (name: string, value: number): Promise<void> => {
    writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, String(value))
    const said = await softnet.cli(`sysctl -q ${name}=${value}`)
    if (said !== '') throw new Error(said)
  }
  return { kernel, both, firstRefused, sysctl }
}
