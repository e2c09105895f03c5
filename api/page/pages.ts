/**
 * The pages for people: `/`, the status page, and `/docs`, the list of what the API can do. Both are static files that
 * fetch what they show from the API beside them; nothing comes from elsewhere, and the headers say so.
 */
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Api, ApiEnv } from '../endpoints/deps.ts'

const POLICY =
  "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8')

export const createPages = (): Api => {
  const api: Api = new Hono<ApiEnv>()
  for (const [path, file] of [
    ['/', './status.html'],
    ['/docs', './docs.html'],
  ] as const) {
    const page = read(file)
    api.get(path, (c) =>
      c.html(page, 200, { 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache' })
    )
  }
  return api
}
