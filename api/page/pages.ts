/**
 * The pages for people: `/`, the status page, and `/docs`, the list of what the API can do. Both are static files that
 * fetch what they show from the API beside them; nothing comes from elsewhere, and the headers say so.
 */
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Api, ApiEnv } from '../endpoints/deps.ts'

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8')

const sha256 = (text: string): string =>
  new Bun.CryptoHasher('sha256').update(text).digest('base64')

/** Only the page's own script runs, whatever a name or a message may hold. */
const policyOf = (page: string): string => {
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((found) => found[1]!)
  const allowed = scripts.map((script) => `'sha256-${sha256(script)}'`).join(' ')
  return `default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src ${allowed}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
}

export const createPages = (): Api => {
  const api: Api = new Hono<ApiEnv>()
  for (const [path, file] of [
    ['/', './status.html'],
    ['/docs', './docs.html'],
  ] as const) {
    const page = read(file).replace('/*token.js*/', () => read('./token.js'))
    const policy = policyOf(page)
    api.get(path, (c) =>
      c.html(page, 200, { 'Content-Security-Policy': policy, 'Cache-Control': 'no-cache' })
    )
  }
  return api
}
