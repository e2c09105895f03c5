// A stack inside the test's own program, with the kernel on the other side of its TAP: npm packages of the test speak
// through the one with real programs of the other.

import { startStack } from '../../../workers/library/stack.ts'
import { requireTool, type Tool, toolPath } from '../../support/tools.ts'

/** The kernel's end of the TAP, and ours. */
export const KERNEL = '10.9.0.1'
export const OURS = '10.9.0.2'

const IFNAME = 'soft0'

export type Stack = Awaited<ReturnType<typeof startStack>>

export const startBesideKernel = async (workers = 2): Promise<Stack> => {
  const stack = await startStack({
    workers,
    link: [{ ifname: IFNAME, kind: 'tap', addresses: [`${OURS}/24`] }],
  })
  await run('ip', 'link', 'set', 'lo', 'up')
  await run('ip', 'addr', 'add', `${KERNEL}/24`, 'dev', IFNAME)
  return stack
}

/** Runs a real program to its end; throws what it said when it fails. */
export const run = async (tool: Tool, ...args: string[]): Promise<string> => {
  const { exited, out, err } = spawn(tool, args)
  if ((await exited) !== 0) throw new Error(`${tool} ${args.join(' ')}: ${await out}${await err}`)
  return await out
}

/** Starts a real program, which ends with the test's. */
export const spawn = (tool: Tool, args: string[]) => {
  const child = Bun.spawn([requireTool(tool), ...args], {
    env: { ...process.env, PATH: toolPath(), LC_ALL: 'C' },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 25_000,
    killSignal: 'SIGKILL',
  })
  return {
    exited: child.exited,
    out: new Response(child.stdout).text(),
    err: new Response(child.stderr).text(),
    kill: () => child.kill('SIGKILL'),
  }
}
