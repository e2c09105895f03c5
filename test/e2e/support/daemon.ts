// A daemon for a test: `softnet up` as a process of its own, its API on a unix socket in a scratch folder, found
// ready by --ready-fd, and gone when stop() has returned, whatever happened to the test in between.

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { root } from '../../../bin/bootstrap.mjs'
import type { DropItem } from '../../../core/control/text/messages.ts'

const READY_WITHIN_MS = 20_000
const STOP_WITHIN_MS = 5_000
/** Clock ticks of /proc/PID/stat: USER_HZ, 100 wherever Bun runs. */
const MS_PER_TICK = 10

export const CLI = [process.execPath, `${root}/api/cli/main.ts`]

export type DaemonOptions = {
  /** 'up' or 'demo'. */
  command?: string
  workers?: number
  steering?: 'rps' | 'multiqueue'
  /** TOML besides what the options say. */
  config?: string
  args?: string[]
  env?: Readonly<Record<string, string>>
  /** A command that runs it, in its own place: `setpriv ...`. */
  under?: readonly string[]
  /** Listens where a daemon does that is told nothing: beside its scratch folder's socket on 127.0.0.1:7777. */
  listensByDefault?: boolean
}

export type Answer = { status: number; body: unknown }

export type Daemon = Awaited<ReturnType<typeof startDaemon>>

type Started = {
  child: ReturnType<typeof spawn>
  folder: string
  unix: string
  said: () => string
}

const launch = (options: DaemonOptions): Started => {
  const { command = 'up', workers = 2, steering = 'rps', config = '', args = [] } = options
  const folder = mkdtempSync(`${tmpdir()}/softnet-e2e-`)
  const { listensByDefault = false } = options
  const unix = listensByDefault ? `${folder}/softnet.sock` : `${folder}/api`
  const argv = [command, '--ready-fd', '3', '--workers', `${workers}`]
  if (!listensByDefault) argv.push('--api', `unix:${unix}`)
  if (command === 'up') argv.push('--steering', steering)
  if (config !== '') {
    writeFileSync(`${folder}/softnet.toml`, config)
    argv.push('-c', `${folder}/softnet.toml`)
  }
  const [program, ...before] = [...(options.under ?? []), ...CLI]
  const child = spawn(program!, [...before, ...argv, ...args], {
    cwd: folder,
    env: { ...process.env, ...options.env, XDG_RUNTIME_DIR: folder, SOFTNET_API: '' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => {
      said += chunk
    })
  return { child, folder, unix, said: () => said }
}

/** Resolves with the exit status, which for a signal is 128 and its number as a shell says it. */
const exitOf = (child: Started['child']): Promise<number> =>
  new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)))
  })

/** Runs a daemon that is expected not to start: its exit status and what it said. */
export const failDaemon = async (options: DaemonOptions) => {
  const { child, folder, said } = launch(options)
  const late = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS)
  const startedMs = performance.now()
  const status = await exitOf(child)
  clearTimeout(late)
  rmSync(folder, { recursive: true })
  return { status, said: said(), tookMs: performance.now() - startedMs }
}

const ready = async ({ child, said }: Started, exited: Promise<number>): Promise<void> => {
  const line = new Promise<void>((resolve) => child.stdio[3]!.once('data', () => resolve()))
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`the daemon is not ready in time:\n${said()}`)),
    READY_WITHIN_MS
  )
  const ended = exited.then((status) => {
    throw new Error(`the daemon ended with status ${status}:\n${said()}`)
  })
  try {
    await Promise.race([line, late.promise, ended])
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** CPU time and memory of a process. */
export const processUsage = (pid: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    userMs: Number(fields[11]) * MS_PER_TICK,
    systemMs: Number(fields[12]) * MS_PER_TICK,
    rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
  }
}

/** How often each thread of a process has gone to sleep so far. */
const sleepsOf = (pid: number): Map<string, number> =>
  new Map(
    readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      try {
        const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8')
        return [[task, Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1])] as const]
      } catch {
        // it has ended since it was listed
        return []
      }
    })
  )

export type Rest = { wakes: number; cpuMs: number }
/**
 * What a process does in a second while nothing happens: how often its threads wake, and what they take. The least of a few
 * seconds, since what is still compiled and collected of what happened before is not rest.
 */
export const atRest = async (pid: number, seconds = 3): Promise<Rest> => {
  const least: Rest = { wakes: Number.POSITIVE_INFINITY, cpuMs: Number.POSITIVE_INFINITY }
  const cpuMs = (): number => {
    const { userMs, systemMs } = processUsage(pid)
    return userMs + systemMs
  }
  for (let second = 0; second < seconds; second++) {
    const [sleeps, took] = [sleepsOf(pid), cpuMs()]
    await Bun.sleep(1000)
    let wakes = 0
    for (const [task, count] of sleepsOf(pid)) wakes += count - (sleeps.get(task) ?? 0)
    least.wakes = Math.min(least.wakes, wakes)
    least.cpuMs = Math.min(least.cpuMs, cpuMs() - took)
  }
  return least
}
/**
 * Of a second. What a wake-up costs differs more than tenfold between machines, so it is counted, and bounded so that nothing
 * turns round and round: an idle daemon wakes some fifty times, most of them the engine's own.
 */
export const MOST_AT_REST: Rest = { wakes: 120, cpuMs: 300 }

export const startDaemon = async (options: DaemonOptions = {}) => {
  const started = launch(options)
  const { child, folder, unix, said } = started
  const exited = exitOf(child)
  const discard = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    await ready(started, exited)
  } catch (error) {
    discard()
    throw error
  }
  const pid = child.pid!

  const call = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(`http://softnet${path}`, {
      unix,
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, body: isJson ? JSON.parse(text) : text }
  }
  /** As call, and throws where the answer is a refusal. */
  const must = async <Body = unknown>(
    method: string,
    path: string,
    body?: unknown
  ): Promise<Body> => {
    const answer = await call(method, path, body)
    if (answer.status >= 300) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return answer.body as Body
  }
  /** The items of a list. */
  const list = async <Item>(path: string): Promise<Item[]> =>
    (await must<{ items: Item[] }>('GET', path)).items

  /** One counter, or several added, by nstat's names. */
  const nstat = async (...names: string[]): Promise<number> => {
    const { kernel } = await must<{ kernel: Record<string, number> }>('GET', '/v1/nstat')
    return names.reduce((sum, name) => sum + kernel[name]!, 0)
  }
  /** Packets that died for a reason. */
  const dropped = async (reason: string): Promise<number> =>
    (await list<DropItem>('/v1/drops')).find((item) => item.reason === reason)?.count ?? 0

  /** Runs a command of the CLI against this daemon. */
  const cli = async (...args: string[]): Promise<{ status: number; out: string; err: string }> => {
    const process_ = Bun.spawn([...CLI, ...args], {
      env: { ...process.env, XDG_RUNTIME_DIR: folder, SOFTNET_API: `unix:${unix}` },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: 25_000,
    })
    const [out, err] = await Promise.all([
      new Response(process_.stdout).text(),
      new Response(process_.stderr).text(),
    ])
    return { status: await process_.exited, out, err }
  }

  /** Ends the daemon; its exit status and how long it took. Safe to call again. */
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    const startedMs = performance.now()
    child.kill(signal)
    const status = await exited
    clearTimeout(late)
    discard()
    return { status, tookMs: performance.now() - startedMs, said: said() }
  }
  return { pid, unix, folder, call, must, list, nstat, dropped, cli, stop, said, exited }
}
