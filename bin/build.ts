// `npm run build [-- FILE]`: out/softnet, or FILE, one file that has everything in it: Bun, the command line, the daemon's threads, the
// dashboard as it is served, scenes and manuals. What it lacks is `softnet bench`, which needs the tree and its tools.

import { join, resolve } from 'node:path'
import { bundle } from '../api/page/bundle.ts'
import { root } from './bootstrap.mjs'

const OUT = resolve(process.argv[2] ?? join(root, 'out/softnet'))

/** What is started by its address (workers/modules.ts): programs, threads, and what threads load. */
const MODULES = [
  'workers/os/netns-holder.ts',
  'packetdrill/run.ts',
  'sim/run.ts',
  'sim/child.ts',
  'workers/net.ts',
  'workers/nic.ts',
  'workers/app/main.ts',
  'workers/netns/main.ts',
  'api/host-app.ts',
  'api/host-api.ts',
]

/** The page is bundled before: the executable has no sources to bundle it from, and one build can not wait for another. */
const assets = JSON.stringify([...(await bundle())])
const pageAsServed: Bun.BunPlugin = {
  name: 'page',
  setup: (build) => {
    build.onLoad({ filter: /\/api\/page\/bundle\.ts$/ }, () => ({
      contents: `const assets = new Map(${assets})
export const bundle = async () => assets`,
      loader: 'js',
    }))
  },
}

const { logs } = await Bun.build({
  entrypoints: ['bin/one-file.ts', ...MODULES].map((path) => join(root, path)),
  root,
  target: 'bun',
  minify: { whitespace: true, syntax: true },
  plugins: [pageAsServed],
  // what lies in the folder where somebody runs it is not its configuration
  compile: { outfile: OUT, autoloadBunfig: false, autoloadDotenv: false },
})
for (const log of logs) console.error(log)
console.log(`${OUT}, ${(Bun.file(OUT).size / 2 ** 20).toFixed(0)} MiB`)
