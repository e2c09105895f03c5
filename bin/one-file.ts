// Where the one-file executable begins (bin/build.ts): another of its programs, when it is told so, or the command line.

import { moduleUrl, PROGRAM } from '../workers/modules.ts'

const [, , word, path] = process.argv
if (word === PROGRAM && path !== undefined) {
  process.argv.splice(2, 2)
  await import(moduleUrl(path))
} else await import('../api/cli/main.ts')
