// The pages' scripts in a browser of stubs: the token of the link is taken from the address bar and sent, by no cookie.

import { expect, test } from 'bun:test'
import { createPages } from '../../../api/page/pages.ts'

type Asked = { path: string; headers: Record<string, string> }

/** Stands for any element: whatever is asked of it is another. */
const element = (): unknown =>
  new Proxy(() => {}, {
    get: (_, key) => (key === Symbol.toPrimitive ? () => '' : element()),
    set: () => true,
    apply: element,
  })

/** Loads a page at `hash`, with what the tab keeps; resolves with its first request. */
const load = async (path: string, hash: string, kept: Map<string, string>) => {
  const page = await (await createPages().request(path)).text()
  const script = /<script>([\s\S]*)<\/script>/.exec(page)![1]!
  const asked = Promise.withResolvers<Asked>()
  let shown = path + hash
  const browser = {
    location: { hash, pathname: path },
    sessionStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
    },
    window: {
      history: {
        replaceState: (_state: unknown, _title: string, to: string) => {
          shown = to
        },
      },
    },
    fetch: (to: string, { headers = {} }: { headers?: Record<string, string> } = {}) => {
      asked.resolve({ path: to, headers })
      return new Promise(() => {})
    },
    document: { getElementById: element, createElement: element, addEventListener: () => {} },
    setTimeout: () => 0,
  }
  new Function(...Object.keys(browser), script)(...Object.values(browser))
  return { ...(await asked.promise), shown }
}

test.each(['/', '/docs'])(
  '%s sends the token of its link, keeps it for the tab, and hides it',
  async (path) => {
    const kept = new Map<string, string>()
    const first = await load(path, '#token=secret', kept)
    expect(first.headers).toEqual({ Authorization: 'Bearer secret' })
    expect(first.shown).toBe(path)
    expect((await load(path, '', kept)).headers).toEqual({ Authorization: 'Bearer secret' })
    expect((await load(path, '', new Map())).headers).toEqual({})
  }
)
