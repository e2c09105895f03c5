// Runs a TypeScript file of this checkout under its own Bun: node bin/run.mjs ENTRY.ts [ARGS...]

import { fail, runBun } from './bootstrap.mjs'

const [entry, ...args] = process.argv.slice(2)
if (!entry) fail('usage: node bin/run.mjs ENTRY.ts [ARGS...]')
runBun(entry, args)
