// Pins the calling thread to CPUs: what makes a worker a CPU in a scaling run (softnet up --pin).
// Called once by each thread at its start. Linux counterpart: sched_setaffinity(2), where process
// id 0 means the calling thread, so it must run on the thread that is to be pinned.

import { block, check, libc } from './libc.ts'

const MAX_CPUS = 1024

/** Lets a thread (0: the calling one) run on these CPUs only. Throws EINVAL when none of them exists. */
export const setAffinity = (cpus: readonly number[], tid = 0): void => {
  const mask = block(MAX_CPUS / 8)
  for (const cpu of cpus) mask.bytes[cpu >> 3] |= 1 << (cpu & 7)
  check(libc.sched_setaffinity(tid, mask.bytes.length, mask.at), 'sched_setaffinity')
}

/** The CPUs that the calling thread may run on, ascending. */
export const getAffinity = (): number[] => {
  const mask = block(MAX_CPUS / 8)
  check(libc.sched_getaffinity(0, mask.bytes.length, mask.at), 'sched_getaffinity')
  const cpus: number[] = []
  for (let cpu = 0; cpu < MAX_CPUS; cpu++) {
    if (mask.bytes[cpu >> 3] & (1 << (cpu & 7))) cpus.push(cpu)
  }
  return cpus
}
