#!/usr/bin/env node
// The `softnet` command of a checkout: the command line is api/cli/main.ts; this only finds Bun for it.

import { runBun } from './bootstrap.mjs'

runBun('api/cli/main.ts', process.argv.slice(2))
