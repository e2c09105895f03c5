/**
 * The `softnet` command: finds the API, gives the command its process, and ends with its status. Everything it can do
 * without a process is in run.ts. bin/softnet.mjs starts it under this checkout's Bun.
 */
import { writeSync } from 'node:fs'
import type { Cli, Fetch } from './cli.ts'
import { UsageError } from './cli.ts'
import { chooseEndpoint, type Endpoint, formatEndpoint, parseEndpoint } from './endpoint.ts'
import { readOptions, run } from './run.ts'
import { VERSION } from './version.ts'

/** All of it, also into a pipe; a reader who has gone (head) is no error of ours. */
const write =
  (fd: number) =>
  (text: string): void => {
    const bytes = new TextEncoder().encode(text)
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(fd, bytes, at)
      } catch (error) {
        const { code } = error as { code?: string }
        if (code === 'EPIPE') process.exit(0)
        if (code !== 'EAGAIN') throw error
        Bun.sleepSync(1)
      }
    }
  }

const createFetch = (endpoint: Endpoint, token: string | undefined): Fetch => {
  const base = endpoint.kind === 'unix' ? 'http://localhost' : formatEndpoint(endpoint)
  const unix = endpoint.kind === 'unix' ? { unix: endpoint.path } : {}
  return (path, init = {}) => {
    const headers = new Headers(init.headers)
    if (token) headers.set('Authorization', `Bearer ${token}`)
    return fetch(base + path, { ...init, ...unix, headers })
  }
}

const main = async (argv: readonly string[]): Promise<number> => {
  const { env } = process
  const [out, err] = [write(1), write(2)]
  let options: ReturnType<typeof readOptions>
  try {
    options = readOptions(argv)
  } catch (error) {
    err(`${(error as Error).message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
  if (options.version) {
    out(`softnet ${VERSION}\n`)
    return 0
  }
  const address = chooseEndpoint(options.api, env, process.getuid?.() ?? 0)
  const endpoint = parseEndpoint(address)
  if (endpoint === null) {
    err(`softnet: "${address}" is no address of an API: unix:PATH or HOST:PORT\n`)
    return 2
  }
  const cli: Cli = {
    fetch: createFetch(endpoint, env.SOFTNET_TOKEN),
    endpoint: formatEndpoint(endpoint),
    env,
    out,
    err,
    json: options.json,
  }
  return run(options.help ? ['help'] : options.rest, cli)
}

process.exitCode = await main(process.argv.slice(2))
// A stream or a timer that is left over must not keep a finished command.
process.exit()
