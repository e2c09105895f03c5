// Ends this process with the one that started it, also when that one is killed and can pass nothing on: prctl(2),
// PR_SET_PDEATHSIG. Called by the command line, whose parent is the wrapper that npm and npx start, and by programs that it starts. Main
// thread.

import { check, libc } from './libc.ts'

const PR_SET_PDEATHSIG = 1
const SIGTERM = 15

/** `parent` is who must still be there: a parent that died before the call sends no signal any more. */
export const endWithParent = (parent: number): void => {
  check(libc.prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0), 'prctl')
  if (libc.getppid() !== parent) process.kill(process.pid, 'SIGTERM')
}

/** Whoever started this for somebody else says who it is: what it started ends with it. Nothing further down is told. */
export const followWrapper = (): void => {
  const { SOFTNET_WRAPPER: wrapper } = process.env
  if (wrapper === undefined) return
  delete process.env.SOFTNET_WRAPPER
  endWithParent(Number(wrapper))
}
