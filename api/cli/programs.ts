/**
 * Commands that are programs of their own, since they start daemons and build networks (`softnet bench`) or make stacks
 * (`softnet packetdrill`, `softnet sim`); here they only get the terminal.
 */
import { fileURLToPath } from 'node:url'
import type { Command } from './cli.ts'

const program =
  (file: string): Command =>
  async (args, cli) => {
    const path = fileURLToPath(new URL(`../../${file}`, import.meta.url))
    const child = Bun.spawn([process.execPath, path, ...args], {
      env: { ...cli.env },
      stdio: ['inherit', 'inherit', 'inherit'],
    })
    return child.exited
  }

export const bench = program('bench/run.ts')
export const packetdrill = program('packetdrill/run.ts')
export const sim = program('sim/run.ts')
