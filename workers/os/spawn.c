/* Starts a process from a plan: a list of C library calls that the child makes before (or as) exec.
 * Compiled in memory by bun:ffi cc() (see spawn.ts, which builds the plans): no compiler is needed, and no C library to
 * link with, which a machine without one would not have. What is called of it comes as addresses.
 * Why C: after fork() in a program with threads only async-signal-safe code may run, and JavaScript
 * is not. vfork() keeps the child out of copying the daemon's memory: it runs on the caller's
 * memory while the calling thread waits, so failures are simply written to *report.
 * The child dies with its parent: prctl() comes right before exec, the last step, because setns() and
 * a new user namespace forget it; a parent that has died by then is seen by its number.
 */
enum { MUST = 1, KEEP = 2, USE_KEPT = 4 };
enum { PR_SET_PDEATHSIG = 1, SIGKILL = 9 };
enum { SIG_SETMASK = 2, SIGPIPE = 13, SIGXFSZ = 25, LAST_SIGNAL = 31 };
#define SIG_DFL ((void *)0)
#define SIG_IGN ((void *)1)

struct step {
  long (*call)(long, long, long, long, long, long);
  long arg[6];
  long flags;
};

/* In the order of spawn.ts' CALLS. */
struct libc {
  int (*vfork)(void);
  int (*getpid)(void);
  int (*getppid)(void);
  int (*prctl)(int, ...);
  void (*_exit)(int);
  int *(*__errno_location)(void);
  void *(*signal)(int, void *);
  int (*pthread_sigmask)(int, const void *, void *);
};

static void child(const struct libc *libc, const struct step *step, int count, int *report,
                  const void *mask, int parent) {
  long kept = 0;
  int i;
  /* The parent's handlers must not run here. What is ignored stays so (nohup), save the two
   * that Bun ignores for itself. */
  for (i = 1; i <= LAST_SIGNAL; i++)
    if (libc->signal(i, SIG_DFL) == SIG_IGN && i != SIGPIPE && i != SIGXFSZ) libc->signal(i, SIG_IGN);
  libc->pthread_sigmask(SIG_SETMASK, mask, (void *)0);
  for (i = 0; i < count; i++, step++) {
    if (i == count - 1) {
      libc->prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
      if (libc->getppid() != parent) libc->_exit(127);
    }
    long first = step->flags & USE_KEPT ? kept : step->arg[0];
    int result = (int)step->call(first, step->arg[1], step->arg[2], step->arg[3], step->arg[4],
                                 step->arg[5]);
    if (step->flags & KEEP) kept = result;
    if (result < 0 && step->flags & MUST) {
      report[0] = i + 1;
      report[1] = *libc->__errno_location();
      libc->_exit(127);
    }
  }
  libc->_exit(126);
}

/* Returns the child's process id, or -errno. A step that failed is report[0] - 1, why report[1]. */
int softnet_spawn(const struct libc *libc, const struct step *steps, int count, int *report) {
  unsigned long all[16], before[16];
  int i, pid, error, parent = libc->getpid();
  for (i = 0; i < 16; i++) all[i] = ~0UL, before[i] = 0;
  libc->pthread_sigmask(SIG_SETMASK, all, before);
  pid = libc->vfork();
  if (pid == 0) child(libc, steps, count, report, before, parent);
  error = *libc->__errno_location();
  libc->pthread_sigmask(SIG_SETMASK, before, (void *)0);
  return pid < 0 ? -error : pid;
}
