/**
 * Makes of ui/ what a browser loads: two scripts and a style, with what they need of node_modules inside, so that nothing
 * comes from elsewhere. Made when first asked for, and kept.
 */
import { fileURLToPath } from 'node:url'

const UI = fileURLToPath(new URL('./ui/', import.meta.url))
const ENTRIES = ['main.ts', 'docs.ts', 'style.css']
/** What an entry is called in a browser. */
const NAMES: Readonly<Record<string, string>> = { 'style.css': 'main.css' }

type Asset = { readonly body: string; readonly type: string }

const build = async (): Promise<ReadonlyMap<string, Asset>> => {
  const { outputs } = await Bun.build({
    entrypoints: ENTRIES.map((name) => UI + name),
    target: 'browser',
    minify: { whitespace: true, syntax: true },
    naming: '[name].[ext]',
  })
  const assets = new Map<string, Asset>()
  for (const output of outputs) {
    const file = output.path.replace(/^.*[\\/]/, '')
    const type = file.endsWith('.css') ? 'text/css' : 'text/javascript'
    assets.set(NAMES[file] ?? file, { body: await output.text(), type: `${type}; charset=utf-8` })
  }
  return assets
}

let made: Promise<ReadonlyMap<string, Asset>> | undefined
export const bundle = (): Promise<ReadonlyMap<string, Asset>> => {
  made ??= build()
  return made
}
