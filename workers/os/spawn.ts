// Starts processes that must change namespaces before they exec: a plan of C library calls that the
// child makes, run by spawn.c. Called by netns.ts and exec.ts on the control thread; cold.
// unshare(CLONE_NEWUSER) and setns() into a user namespace are refused to a process with threads,
// which Bun always is; a fresh child has one thread. Linux counterpart: unshare(1), nsenter(1).

import { cc } from 'bun:ffi'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Block } from './libc.ts'
import source from './spawn.c' with { type: 'text' }
import {
  block,
  check,
  cstring,
  functionAddress,
  libc,
  O_RDWR,
  O_WRONLY,
  OsError,
  putAddress,
} from './libc.ts'

const MUST = 1
const KEEP = 2
const USE_KEPT = 4
const STEP_SIZE = 64

export const CLONE_NEWNS = 0x00020000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWNET = 0x40000000

const CLOSE_RANGE_CLOEXEC = 4
const F_SETFD = 2
const MS_REC = 0x4000
const MS_SLAVE = 0x80000
const WNOHANG = 1

/** What spawn.c calls: its struct libc. */
const CALLS = [
  'vfork',
  'getpid',
  'getppid',
  'prctl',
  '_exit',
  '__errno_location',
  'signal',
  'pthread_sigmask',
]
const addressesOf = (names: readonly string[]): Block => {
  const addresses = block(names.length * 8)
  names.forEach((name, i) => {
    putAddress(addresses.view, i * 8, functionAddress(name))
  })
  return addresses
}

/** A compiler reads files, and ours may lie inside an executable. */
const load = () => {
  const folder = mkdtempSync(join(tmpdir(), 'softnet-spawn-'))
  try {
    writeFileSync(join(folder, 'spawn.c'), source)
    const { softnet_spawn } = cc({
      source: join(folder, 'spawn.c'),
      flags: ['-nostdlib'],
      symbols: { softnet_spawn: { args: ['usize', 'usize', 'i32', 'usize'], returns: 'i32' } },
    }).symbols
    const calls = addressesOf(CALLS)
    return (steps: number, count: number, report: number): number =>
      softnet_spawn(calls.at, steps, count, report)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// Compiling takes some milliseconds, so it waits for the first process.
let softnetSpawn: ReturnType<typeof load> | undefined

type Argument = number | Block
type Step = { name: string; args: Argument[]; flags: number; hint?: string | undefined }

type StepOptions = { must?: boolean; keep?: boolean; hint?: string }

export type SpawnPlan = ReturnType<typeof createSpawnPlan>

const stringVector = (texts: readonly string[]): { vector: Block; texts: Block[] } => {
  const blocks = texts.map(cstring)
  const vector = block((texts.length + 1) * 8)
  blocks.forEach((text, i) => {
    putAddress(vector.view, i * 8, text.at)
  })
  return { vector, texts: blocks }
}

const environmentOf = (env: Record<string, string | undefined>): string[] =>
  Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`))

export const createSpawnPlan = () => {
  const steps: Step[] = []
  // What the steps point to must live until the child has run.
  const held: unknown[] = []

  const call = (name: string, args: Argument[], { must, keep, hint }: StepOptions = {}): void => {
    steps.push({ name, args, flags: (must ? MUST : 0) | (keep ? KEEP : 0), hint })
  }
  /** A call whose first argument is the result kept last: a descriptor opened in the child. */
  const callKept = (name: string, args: Argument[], { must, hint }: StepOptions = {}): void => {
    steps.push({ name, args: [0, ...args], flags: USE_KEPT | (must ? MUST : 0), hint })
  }
  const writeFile = (path: string, content: string, options: StepOptions = {}): void => {
    const data = cstring(content)
    call('open', [cstring(path), O_WRONLY], { ...options, keep: true })
    callKept('write', [data, data.bytes.length - 1], options)
    callKept('close', [])
  }
  /** New namespaces; with a user namespace, the caller becomes root inside it. */
  const unshare = (flags: number, hint?: string): void => {
    const must = hint === undefined ? { must: true } : { must: true, hint }
    call('unshare', [flags], must)
    if (flags & CLONE_NEWUSER) {
      writeFile('/proc/self/setgroups', 'deny')
      writeFile('/proc/self/uid_map', `0 ${libc.geteuid()} 1\n`, must)
      writeFile('/proc/self/gid_map', `0 ${libc.getegid()} 1\n`, must)
    }
    if ((flags & CLONE_NEWNS) === 0) return
    // Mounts made inside stay inside; /sys shows the interfaces of the namespace it is mounted in.
    call('mount', [cstring('none'), cstring('/'), 0, MS_REC | MS_SLAVE, 0], must)
    const sysfs = cstring('sysfs')
    if (flags & CLONE_NEWNET) call('mount', [sysfs, cstring('/sys'), sysfs, 0, 0])
  }
  /** Descriptors 0, 1, 2 of the child, those it keeps besides, and nothing else. */
  const descriptors = (stdio: readonly [number, number, number], kept: number[] = []): void => {
    call('close_range', [3, 0xffffffff, CLOSE_RANGE_CLOEXEC])
    stdio.forEach((fd, i) => {
      if (fd !== i) call('dup2', [fd, i], { must: true })
    })
    for (const fd of kept) call('fcntl', [fd, F_SETFD, 0], { must: true })
  }
  const nullInput = (): void => {
    call('open', [cstring('/dev/null'), O_RDWR], { must: true, keep: true })
    callKept('dup2', [0], { must: true })
    callKept('close', [])
  }
  const chdir = (path: string): void => call('chdir', [cstring(path)])
  const exec = (argv: readonly string[], env: Record<string, string | undefined>): void => {
    const args = stringVector(argv)
    const environment = stringVector(environmentOf(env))
    held.push(args, environment)
    call('execvpe', [args.texts[0], args.vector, environment.vector], { must: true })
  }

  /** Runs the plan; returns the process id once the child has execed. Throws OsError, whose
   * `syscall` is the step that failed. */
  const spawn = (): number => {
    const table = block(steps.length * STEP_SIZE)
    steps.forEach((step, i) => {
      putAddress(table.view, i * STEP_SIZE, functionAddress(step.name))
      step.args.forEach((arg, n) => {
        putAddress(table.view, i * STEP_SIZE + 8 + n * 8, typeof arg === 'number' ? arg : arg.at)
      })
      table.view.setInt32(i * STEP_SIZE + 56, step.flags, true)
    })
    const report = block(8)
    softnetSpawn ??= load()
    const pid = softnetSpawn(table.at, steps.length, report.at)
    if (pid < 0) throw new OsError('vfork', -pid)
    const failed = report.view.getInt32(0, true)
    if (failed === 0) return pid
    libc.waitpid(pid, 0, 0)
    const step = steps[failed - 1]
    throw new OsError(step.name, report.view.getInt32(4, true), step.hint)
  }

  return { call, callKept, unshare, descriptors, nullInput, chdir, exec, spawn }
}

const status = block(4)

/** The exit status as a shell tells it, or undefined while the process runs. */
const exitStatus = (pid: number): number | undefined => {
  if (check(libc.waitpid(pid, status.at, WNOHANG), 'waitpid') === 0) return undefined
  const raw = status.view.getInt32(0, true)
  const signal = raw & 0x7f
  return signal === 0 ? (raw >> 8) & 0xff : 128 + signal
}

const NET_MS = 100

/** Waits for a child without blocking the thread: SIGCHLD says when to look. */
export const waitForExit = (pid: number): Promise<number> =>
  new Promise((resolve) => {
    const look = (): void => {
      const code = exitStatus(pid)
      if (code === undefined) return
      process.off('SIGCHLD', look)
      clearInterval(net)
      resolve(code)
    }
    process.on('SIGCHLD', look)
    // Only the main thread is told of signals, and two deaths may be told as one.
    const net = setInterval(look, NET_MS)
    look()
  })
