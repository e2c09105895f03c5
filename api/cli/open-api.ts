/**
 * The daemon's addresses, taken before anything is started for them, so that a second daemon ends at once and has touched
 * nothing; and the token that opens the TCP ones, made anew for each daemon. Main thread; from run-daemon.ts.
 */
import { Problem } from '../problem.ts'
import type { Config } from '../schemas/config.ts'
import { type App, type Listener, listen } from '../server.ts'
import { createToken, tokenLink, writeTokenFile } from '../token-file.ts'
import { chooseListen, type Env, tokenPath } from './endpoint.ts'

const STARTING: App = {
  fetch: () => new Problem('starting', 'Error: softnet is starting.').toResponse(),
}

/** Where the token's file is to be; none without a TCP address. */
const tokenFileOf = (listeners: readonly Listener[], env: Env, uid: number): string | null => {
  const endpoints = listeners.map(({ endpoint }) => endpoint)
  const socket = endpoints.find((endpoint) => endpoint.kind === 'unix')?.path
  const port = endpoints.find((endpoint) => endpoint.kind === 'tcp')?.port
  return port === undefined ? null : tokenPath(socket, port, env, uid)
}

const waysToChange = (listeners: readonly Listener[], tokenFile: string | null): string => {
  const socket = listeners.find(({ endpoint }) => endpoint.kind === 'unix')
  const token = `a token in $SOFTNET_TOKEN (the daemon's is in ${tokenFile})`
  return socket === undefined ? token : `the socket ${socket.address} or ${token}`
}

export type DaemonApi = Awaited<ReturnType<typeof openApi>>

export const openApi = async (
  asked: readonly string[],
  { token, tokens = [], listen: configured }: NonNullable<Config['api']>,
  env: Env
) => {
  const uid = process.getuid?.() ?? 0
  const current = { app: STARTING }
  const listeners = await listen({
    app: { fetch: (request, bindings) => current.app.fetch(request, bindings) },
    addresses: asked.length > 0 ? asked : chooseListen(configured, env, uid),
    hasToken: token !== undefined || tokens.length > 0,
  })
  const stopAll = () => Promise.all(listeners.map((listener) => listener.stop()))
  const ours = createToken()
  const tokenFile = tokenFileOf(listeners, env, uid)
  let removeToken = (): void => {}
  try {
    const tcp = listeners.filter(({ endpoint }) => endpoint.kind === 'tcp')
    const links = tcp.map(({ address }) => tokenLink(address, ours))
    if (tokenFile !== null) removeToken = writeTokenFile(tokenFile, links)
  } catch (error) {
    await stopAll()
    throw error
  }
  return {
    listeners,
    token: ours,
    tokenFile,
    howToChange: waysToChange(listeners, tokenFile),
    /** From now on requests are answered. */
    serve: (app: App): void => {
      current.app = app
    },
    close: async (): Promise<void> => {
      removeToken()
      await stopAll()
    },
  }
}
