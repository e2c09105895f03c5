// Runs a command inside a namespace: `softnet exec -- CMD`, and tests that need to be root in
// namespaces of their own. Called by the CLI and the test support; the caller stays the command's
// parent, so the terminal, its job control and its signals are the command's own.
// Linux counterpart: nsenter(1), unshare(1), `ip netns exec`.

import { AF_INET } from '../../core/base/family.ts'
import { fstatSync, statSync } from 'node:fs'
import { block, Errno, libc, O_RDONLY, OsError, openPath } from './libc.ts'
import { withNewNamespaces } from './netns.ts'
import type { SpawnPlan } from './spawn.ts'
import { CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, createSpawnPlan, waitForExit } from './spawn.ts'

const IFREQ_SIZE = 40
const IFREQ_FLAGS = 16
const SIOCSIFFLAGS = 0x8914
const IFF_UP = 1
const SOCK_DGRAM_CLOEXEC = 0x80002
const SIGINT = 2
const SIGTERM = 15

const NOT_EXECUTABLE = 126
const NOT_FOUND = 127

export type ExecOptions = {
  env?: Record<string, string | undefined>
  cwd?: string
  /** Descriptors that become 0, 1 and 2 of the command; by default the caller's. */
  stdio?: readonly [number, number, number]
}

/** The terminal sends SIGINT to the command as well; from elsewhere both must be passed on. */
const forwardSignals = (send: (signal: number) => void): (() => void) => {
  const onTerm = () => send(SIGTERM)
  const onInt = () => {
    if (!process.stdin.isTTY) send(SIGINT)
  }
  process.on('SIGTERM', onTerm)
  process.on('SIGINT', onInt)
  return () => {
    process.off('SIGTERM', onTerm)
    process.off('SIGINT', onInt)
  }
}

type Started = { pid: number } | { status: number }

/** Starts the command; a status instead of a process says that it cannot be run. */
const start = (
  plan: SpawnPlan,
  argv: readonly string[],
  { env = process.env, cwd = process.cwd(), stdio = [0, 1, 2] }: ExecOptions
): Started => {
  plan.descriptors(stdio)
  plan.chdir(cwd)
  plan.exec(argv, env)
  try {
    return { pid: plan.spawn() }
  } catch (error) {
    // As a shell does when the command is the fault.
    if (!(error instanceof OsError) || error.syscall !== 'execvpe') throw error
    console.error(`softnet: ${argv[0]}: ${error.message}`)
    return { status: error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE }
  }
}

/** Signals are listened for before there is a command to pass them on to: it may run before we do again. */
const runToEnd = async (begin: () => Started): Promise<number> => {
  let pid = 0
  const stop = forwardSignals((signal) => libc.kill(pid, signal))
  try {
    const started = begin()
    if ('status' in started) return started.status
    pid = started.pid
    return await waitForExit(pid)
  } finally {
    stop()
  }
}

const namespaceHint = 'no such namespace, or it belongs to another user'

/**
 * A daemon says which process holds its namespace, and over loopback anybody may be that daemon: a program of ours runs
 * only in namespaces of our own, since whoever holds one decides what is mounted there.
 */
const checkHolder = (pid: number): void => {
  const holder = statSync(`/proc/${pid}`, { throwIfNoEntry: false })
  if (holder !== undefined && holder.uid !== libc.geteuid())
    throw new OsError(`enter the namespaces of process ${pid}`, Errno.EPERM, namespaceHint)
}

const isOurs = (fd: number, kind: string): boolean =>
  fstatSync(fd).ino === statSync(`/proc/self/ns/${kind}`).ino

/** Order matters: the user namespace gives the right to enter the others. */
const enterable = [
  ['user', CLONE_NEWUSER],
  ['net', CLONE_NEWNET],
  ['mnt', CLONE_NEWNS],
] as const

/**
 * Runs a command in the namespaces of a process (a Namespace's pid). Resolves to its exit status,
 * 128+n when signal n ended it, 126 or 127 when it cannot be run. Throws OsError where the caller
 * may not enter.
 */
export const execInNamespace = async (
  pid: number,
  argv: readonly string[],
  options: ExecOptions = {}
): Promise<number> => {
  const plan = createSpawnPlan()
  const opened: number[] = []
  try {
    checkHolder(pid)
    for (const [kind, flag] of enterable) {
      const fd = openPath(`/proc/${pid}/ns/${kind}`, O_RDONLY, namespaceHint)
      opened.push(fd)
      if (isOurs(fd, kind)) continue
      plan.call('setns', [fd, flag], { must: true, hint: `entering the ${kind} namespace` })
    }
    return await runToEnd(() => start(plan, argv, options))
  } finally {
    for (const fd of opened) libc.close(fd)
  }
}

/** Runs a command as root of fresh user (where needed), mount and network namespaces, lo up. */
export const runInNewNamespace = async (
  argv: readonly string[],
  options: ExecOptions = {}
): Promise<number> => {
  const loopback = block(IFREQ_SIZE)
  loopback.bytes.set(new TextEncoder().encode('lo'))
  loopback.view.setUint16(IFREQ_FLAGS, IFF_UP, true)
  return runToEnd(() =>
    withNewNamespaces((flags, hint) => {
      const plan = createSpawnPlan()
      plan.unshare(flags, hint)
      plan.call('socket', [AF_INET, SOCK_DGRAM_CLOEXEC, 0], { keep: true })
      plan.callKept('ioctl', [SIOCSIFFLAGS, loopback])
      plan.callKept('close', [])
      return start(plan, argv, options)
    })
  )
}
