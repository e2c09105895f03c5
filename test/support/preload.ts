// Runs before every `bun test` (bunfig.toml): a fresh clone gets its dependencies here, so that
// `bun test` alone works as `npm test` does. Bun has looked for node_modules by then and remembers that
// there is none, so the run that installed them starts over.

import { existsSync, readFileSync } from 'node:fs'
import { ensureInstalled, fail } from '../../bin/bootstrap.mjs'

if (ensureInstalled()) {
  // process.argv does not carry the options of `bun test`.
  const commandLine = '/proc/self/cmdline'
  if (!existsSync(commandLine)) fail('the dependencies are installed now; run bun test again')
  const args = readFileSync(commandLine, 'utf8').split('\0').slice(1, -1)
  const { exitCode } = Bun.spawnSync([process.execPath, ...args], {
    stdio: ['inherit', 'inherit', 'inherit'],
  })
  process.exit(exitCode)
}
