#!/usr/bin/env node
// The `softnet` command of a checkout: the command line is api/cli/main.ts; this only finds Bun for it.

import { runBun } from './bootstrap.mjs'

// It ends with us, also when we are killed and can pass nothing on.
runBun('api/cli/main.ts', process.argv.slice(2), { SOFTNET_WRAPPER: String(process.pid) })
