/** CPU time of threads and of the whole machine, as /proc tells it, and which CPUs a process may use. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setAffinity } from '../../workers/os/affinity.ts'

const MS_PER_TICK = 10

/**
 * CPU time of the whole machine that was neither idle nor stolen, in milliseconds. From the idle time, which the kernel
 * measures; the busy columns of /proc/stat are samples, and miss what happens between two ticks.
 */
export const machineCpuMs = (): number => {
  const columns = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const [, , , idle, iowait, , , steal] = columns as number[]
  const notBusy = (idle! + iowait! + steal!) * MS_PER_TICK
  return performance.now() * availableParallelism() - notBusy
}

/** Gives all threads of a process these CPUs. */
export const confine = (pid: number, cpus: readonly number[]): void => {
  for (const tid of readdirSync(`/proc/${pid}/task`)) setAffinity(cpus, Number(tid))
}

export type ThreadCpu = { name: string; userMs: number; systemMs: number }

const fieldsOf = (path: string): { comm: string; userMs: number; systemMs: number } => {
  const stat = readFileSync(path, 'utf8')
  const comm = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[11]), Number(fields[12])]
  return { comm, userMs: user * MS_PER_TICK, systemMs: system * MS_PER_TICK }
}

/** CPU time of a daemon's threads: its workers, its nic thread, and all others (compiler, control) together. */
export const daemonCpu = (pid: number, workers: number): ThreadCpu[] => {
  const rest = { name: 'rest', userMs: 0, systemMs: 0 }
  const named: ThreadCpu[] = []
  const tids = readdirSync(`/proc/${pid}/task`).map(Number)
  for (const tid of tids.toSorted((a, b) => a - b)) {
    const { comm, userMs, systemMs } = fieldsOf(`/proc/${pid}/task/${tid}/stat`)
    // threads are started one by one: workers, then the nic thread
    if (comm === 'Worker' && named.length <= workers) {
      const name = named.length < workers ? `worker ${named.length}` : 'nic'
      named.push({ name, userMs, systemMs })
    } else {
      rest.userMs += userMs
      rest.systemMs += systemMs
    }
  }
  return [...named, rest]
}

/** What was used between two looks. */
export const cpuBetween = (before: ThreadCpu[], after: ThreadCpu[]): ThreadCpu[] =>
  after.map(({ name, userMs, systemMs }, k) => ({
    name,
    userMs: userMs - before[k]!.userMs,
    systemMs: systemMs - before[k]!.systemMs,
  }))

/** CPU time of a process and what it has waited for, in milliseconds. */
export const processCpuMs = (pid: number): number => {
  const { userMs, systemMs } = fieldsOf(`/proc/${pid}/stat`)
  return userMs + systemMs
}
