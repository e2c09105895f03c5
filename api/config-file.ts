/** The running state written into the file that the daemon was started with: whole, or not at all. */
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { StackConfig } from '../core/control/text/messages.ts'
import { readConfig } from './cli/daemon-args.ts'
import { stackPart } from './schemas/config.ts'
import { configToml } from './toml.ts'

/** What the file says beside the stack's state stays; comments do not. */
export const saveConfig = (file: string, state: StackConfig): void => {
  const config = readConfig(file, true)
  const ofState = Object.keys(stackPart(config))
  const others = Object.fromEntries(
    Object.entries(config).filter(([name]) => !ofState.includes(name))
  )
  const folder = mkdtempSync(join(dirname(file), '.softnet-'))
  try {
    const made = join(folder, 'config')
    const { mode } = statSync(file)
    const text = file.endsWith('.json')
      ? `${JSON.stringify({ ...others, ...state }, null, 2)}\n`
      : configToml(state, others)
    writeFileSync(made, text, { mode })
    renameSync(made, file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
