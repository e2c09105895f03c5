/**
 * Asking the API beside the page. The token is kept for this tab alone and sent with what the page asks. No cookie: a
 * browser would send one to every port of this machine, and by itself.
 */

const TOKEN = 'token'
const PATIENCE_MS = 4000

/** The token of the link that led here (#token=...): kept, and gone from the address bar. */
export const takeToken = (): void => {
  const given = new URLSearchParams(location.hash.slice(1)).get(TOKEN)
  if (given === null) return
  sessionStorage.setItem(TOKEN, given)
  history.replaceState(null, '', location.pathname)
}
export const token = (): string | null => sessionStorage.getItem(TOKEN)
export const setToken = (value: string): void => {
  if (value === '') sessionStorage.removeItem(TOKEN)
  else sessionStorage.setItem(TOKEN, value)
}

/** Asks for a token, and resolves with whether there is one to try. main.ts gives the dialog. */
let login: (why: string) => Promise<boolean> = async () => false
export const onUnauthorized = (ask: typeof login): void => {
  login = ask
}

export const ask = (path: string, options: RequestInit = {}): Promise<Response> => {
  const headers = new Headers(options.headers)
  const held = token()
  if (held !== null) headers.set('Authorization', `Bearer ${held}`)
  return fetch(path, { cache: 'no-store', ...options, headers })
}

class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}
/** What the API said of a request that it refused, in its own words. */
const refusal = async (path: string, response: Response): Promise<Refusal> => {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string }
  return new Refusal(problem.detail ?? `${path}: HTTP ${response.status}`, response.status)
}

/**
 * Asks, and where a token is wanted asks the person for one and tries again. 403 is a matter of tokens where somebody did
 * something, which names its method. `options.signal` instead of the usual patience is for what goes on.
 */
export const open = async (path: string, options: RequestInit = {}): Promise<Response> => {
  const once = (): Promise<Response> =>
    ask(path, { signal: AbortSignal.timeout(PATIENCE_MS), ...options })
  let response = await once()
  while (response.status === 401 || (response.status === 403 && options.method !== undefined)) {
    const error = await refusal(path, response)
    if (!(await login(error.message))) throw error
    response = await once()
  }
  if (!response.ok) throw await refusal(path, response)
  return response
}
export const request = async <Body>(path: string, options: RequestInit = {}): Promise<Body> =>
  (await (await open(path, options)).json()) as Body

export const get = <Body>(path: string): Promise<Body> => request<Body>(path)
export const list = async <Item>(path: string): Promise<Item[]> =>
  (await get<{ items: Item[] }>(path)).items

type Changed<Item = unknown> = { item: Item; revision: number }
/** Resolves when the change is in force on every thread. */
export const change = <Item>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {}
): Promise<Changed<Item>> =>
  request(path, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...headers },
    }),
  })

/** Writes what `edited` makes of what is there; made anew of what is there by then where somebody else has been faster. */
export const edit = async <Item>(path: string, edited: (item: Item) => object): Promise<Item> => {
  for (;;) {
    const read = await open(path)
    const body = edited((await read.json()) as Item)
    try {
      const ifMatch = { 'If-Match': read.headers.get('ETag')! }
      return (await change<Item>('PUT', path, body, ifMatch)).item
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 412)) throw error
    }
  }
}

/** The line that asks the same from a shell. */
export const curl = (path: string, method = 'GET', body?: unknown): string => {
  const words = ['curl']
  if (method !== 'GET') words.push('-X', method)
  if (method !== 'GET') words.push("-H 'Authorization: Bearer '$TOKEN")
  if (body !== undefined)
    words.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(body)}'`)
  return `${words.join(' ')} '${location.origin}${path}'`
}
