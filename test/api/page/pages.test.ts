// The pages' files: everything comes from here, only own scripts run, and the token of the link is taken from the address
// bar and sent, by no cookie. What the pages do is test/e2e/dashboard.test.ts's, in a real browser.

import { expect, test } from 'bun:test'
import { createPages } from '../../../api/page/pages.ts'

const pages = createPages()
const text = async (path: string): Promise<string> => (await pages.request(path)).text()

test.each(['/', '/docs'])(
  '%s runs only its own script, which is served beside it',
  async (path) => {
    const response = await pages.request(path)
    const policy = response.headers.get('Content-Security-Policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe')
    const page = await response.text()
    const named = [...page.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)].map(([, file]) => file!)
    expect(named.length).toBe(2)
    for (const file of named) expect((await pages.request(file)).status).toBe(200)
    expect(page).not.toMatch(/<script(?![^>]*src=)|style="|(?:src|href)="https?:/)
  }
)

test('scripts and styles hold what they need: nothing is loaded from elsewhere', async () => {
  const script = await text('/page/main.js')
  expect(script).not.toMatch(/(?:from|import)\s*\(?["']/)
  expect(script).toContain('uPlot')
  expect(await text('/page/main.css')).not.toMatch(/@import|url\(\s*["']?https?:/)
})

test('there is nothing but those files', async () => {
  for (const path of ['/page/main.ts', '/page/..%2fpages.ts', '/page/index.html', '/page/'])
    expect([path, (await pages.request(path)).status]).toEqual([path, 404])
})

/** What api.ts sees of a browser. */
const withBrowser = async (
  hash: string,
  kept: Map<string, string>,
  use: (api: typeof import('../../../api/page/ui/api.ts')) => Promise<void>
): Promise<string> => {
  let shown = `/${hash}`
  const browser = {
    location: { hash, pathname: '/', origin: 'http://here' },
    sessionStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
      removeItem: (name: string) => kept.delete(name),
    },
    history: {
      replaceState: (_state: unknown, _title: string, to: string) => {
        shown = to
      },
    },
  }
  const before = Object.fromEntries(
    [...Object.keys(browser), 'fetch'].map((name) => [name, Reflect.get(globalThis, name)])
  )
  Object.assign(globalThis, browser)
  try {
    await use(await import('../../../api/page/ui/api.ts'))
  } finally {
    Object.assign(globalThis, before)
  }
  return shown
}

test('the token of the link is kept for the tab, hidden, and sent', async () => {
  const kept = new Map<string, string>()
  const sent: (string | null)[] = []
  const ask = async ({ takeToken, get }: typeof import('../../../api/page/ui/api.ts')) => {
    globalThis.fetch = (async (_to: unknown, init?: RequestInit) => {
      sent.push(new Headers(init?.headers).get('Authorization'))
      return Response.json({})
    }) as unknown as typeof fetch
    takeToken()
    await get('/v1/links')
  }
  expect(await withBrowser('#token=secret', kept, ask)).toBe('/')
  await withBrowser('#routes', kept, ask)
  await withBrowser('', new Map(), ask)
  expect(sent).toEqual(['Bearer secret', 'Bearer secret', null])
})

test('a refused change asks for a token once, and is tried again with it', async () => {
  const sent: (string | null)[] = []
  await withBrowser('', new Map(), async ({ change, onUnauthorized, setToken }) => {
    globalThis.fetch = (async (_to: unknown, init?: RequestInit) => {
      const token = new Headers(init?.headers).get('Authorization')
      sent.push(token)
      return token === null
        ? Response.json({ detail: 'Error: Permission denied' }, { status: 401 })
        : Response.json({ item: {}, revision: 7 })
    }) as unknown as typeof fetch
    onUnauthorized(async (why) => {
      expect(why).toContain('Permission denied')
      setToken('given')
      return true
    })
    expect(await change('PATCH', '/v1/links/lan0', {})).toEqual({ item: {}, revision: 7 })
    onUnauthorized(async () => false)
    setToken('')
    expect(change('PATCH', '/v1/links/lan0', {})).rejects.toThrow('Permission denied')
  })
  expect(sent).toEqual([null, 'Bearer given', null])
})

test('what two change at once is read anew by the later, who takes nothing back', async () => {
  let table = [0, 0, 0]
  let revision = 7
  const seen: string[] = []
  await withBrowser('', new Map(), async ({ edit }) => {
    globalThis.fetch = (async (_to: unknown, init: RequestInit = {}) => {
      const headers = new Headers(init.headers)
      if (init.method !== 'PUT')
        return Response.json({ table }, { headers: { ETag: `"${revision}"` } })
      const ifMatch = headers.get('If-Match')!
      seen.push(ifMatch)
      // somebody else is faster, once
      if (revision === 7) {
        table = [0, 1, 0]
        revision = 8
      }
      if (ifMatch !== `"${revision}"`) return Response.json({ detail: 'stale' }, { status: 412 })
      table = JSON.parse(init.body as string).table
      return Response.json({ item: { table }, revision: ++revision })
    }) as unknown as typeof fetch
    const item = await edit<{ table: number[] }>('/v1/thing', (is) => ({
      table: is.table.map((worker, at) => (at === 2 ? 1 : worker)),
    }))
    expect(item).toEqual({ table: [0, 1, 1] })
  })
  expect(seen).toEqual(['"7"', '"8"'])
})
