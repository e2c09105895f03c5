/**
 * Gives memory back that this thread no longer needs. What a start leaves behind is garbage only once the functions that
 * made it are left: a thread that runs in a loop calls this when it first rests (wake.ts), and not before the loop, which took
 * 13 MB a worker more, or 35 from one start to the next. Any thread.
 */
export const giveBack = (): void => {
  Bun.gc(true)
  Bun.shrink()
}
