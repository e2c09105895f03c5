/**
 * `softnet bench`: measurements with the kernel's beside them. They are a program of their own (bench/run.ts), since they
 * start daemons and build networks; here they only get the terminal.
 */
import { fileURLToPath } from 'node:url'
import type { Command } from './cli.ts'

const PROGRAM = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))

export const bench: Command = async (args, cli) => {
  const child = Bun.spawn([process.execPath, PROGRAM, ...args], {
    env: { ...cli.env },
    stdio: ['inherit', 'inherit', 'inherit'],
  })
  return child.exited
}
