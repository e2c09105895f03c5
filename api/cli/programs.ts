/**
 * Commands that are programs of their own, since they start daemons and build networks (`softnet bench`) or make stacks
 * (`softnet packetdrill`, `softnet sim`); here they only get the terminal.
 */
import { isOneFile, programArgv } from '../../workers/modules.ts'
import { type Command, Refused } from './cli.ts'

const program =
  (file: string): Command =>
  async (args, cli) => {
    const child = Bun.spawn([...programArgv(file), ...args], {
      // it ends with us, however we end (workers/os/parent.ts)
      env: { ...cli.env, SOFTNET_WRAPPER: `${process.pid}` },
      stdio: ['inherit', 'inherit', 'inherit'],
    })
    return child.exited
  }

/** It measures beside other programs of the tree, and builds networks of them. */
const ofTheTree: Command = () => {
  throw new Refused(
    'softnet bench: is not in this executable: it needs the tree (npx softnet bench)'
  )
}

export const bench = isOneFile ? ofTheTree : program('bench/run.ts')
export const packetdrill = program('packetdrill/run.ts')
export const sim = program('sim/run.ts')
