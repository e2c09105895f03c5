/**
 * The `softnet` command: finds the API, gives the command its process, and ends with its status. Everything it can do
 * without a process is in run.ts. bin/softnet.mjs starts it under this checkout's Bun.
 */
import { writeSync } from 'node:fs'
import type { Cli } from './cli.ts'
import { inNetns, UsageError } from './cli.ts'
import { createFetch, describePlaces } from './connect.ts'
import { choosePlaces, type Endpoint, parseEndpoint } from './endpoint.ts'
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
  const uid = process.getuid?.() ?? 0
  const places: Endpoint[] = []
  for (const text of choosePlaces(options.api, env, uid)) {
    const endpoint = parseEndpoint(text)
    if (endpoint === null) {
      err(`softnet: "${text}" is no address of an API: unix:PATH or HOST:PORT\n`)
      return 2
    }
    places.push(endpoint)
  }
  const cli: Cli = {
    fetch: createFetch(places, {
      token: options.token ?? env.SOFTNET_TOKEN,
      env,
      uid,
      ...(options.showCurl && { tell: (line) => err(`${line}\n`) }),
    }),
    endpoint: describePlaces(places, uid),
    env,
    out,
    err,
    json: options.json,
  }
  const isInside = options.rest[0] !== 'exec'
  return run(options.help ? ['help'] : options.rest, isInside ? inNetns(cli, options.netns) : cli)
}

// the wrapper that npm and npx start
if (process.env.SOFTNET_WRAPPER !== undefined)
  (await import('../../workers/os/parent.ts')).followWrapper()
process.exitCode = await main(process.argv.slice(2))
// A stream or a timer that is left over must not keep a finished command.
process.exit()
