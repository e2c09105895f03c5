/**
 * How long a worker waits before it makes its stack anew. What throws at once throws again, so the pause doubles from one
 * error to the next, up to LONGEST_MS; a stack that has run for CALM times as long as it had been waited for is
 * as good as new, and its next error waits FIRST_MS. So a worker that throws now and then is away for a tenth of the
 * time at most, and one that cannot run takes next to no CPU. Pure; used by net.ts. systemd: RestartSteps.
 */
const FIRST_MS = 10
const LONGEST_MS = 500
const CALM = 10

/** `nextPause(ranMs)`: milliseconds to wait after an error of a stack that ran for `ranMs`. */
export const createRestartPause = () => {
  let pause = 0
  return (ranMs: number): number => {
    pause = pause === 0 || ranMs >= CALM * pause ? FIRST_MS : Math.min(pause * 2, LONGEST_MS)
    return pause
  }
}
