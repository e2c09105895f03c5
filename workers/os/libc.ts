// The one dlopen of the C library: every system call softnet makes goes through here.
// Called by all of workers/, on every thread; each thread has its own instance of this module, so
// its own symbols and its own errno address. The first dlopen of several fresh workers at the same
// time crashes Bun (oven-sh/bun#40972): start threads one by one, each saying it is ready first.
// Addresses are plain numbers, base + offset, taken once with addressOf() from a view over an
// explicit (Shared)ArrayBuffer that stays referenced; read/write/poll then allocate nothing.
// Variadic functions (open, ioctl, fcntl, prctl) are bound at a fixed arity, right on Linux ABIs.

import { constants } from 'node:os'
import { CString, dlopen, ptr, read } from 'bun:ffi'

const library = dlopen('libc.so.6', {
  // Hot: the data path.
  read: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  write: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  readv: { args: ['i32', 'usize', 'i32'], returns: 'i32' },
  writev: { args: ['i32', 'usize', 'i32'], returns: 'i32' },
  poll: { args: ['usize', 'u32', 'i32'], returns: 'i32' },
  syscall: {
    args: ['i32', 'usize', 'usize', 'usize', 'usize', 'usize', 'usize'],
    returns: 'i32',
  },
  clock_gettime: { args: ['i32', 'usize'], returns: 'i32' },
  // Cold: files and descriptors.
  open: { args: ['usize', 'i32', 'u32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  ftruncate: { args: ['i32', 'usize'], returns: 'i32' },
  mkfifo: { args: ['usize', 'u32'], returns: 'i32' },
  ioctl: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  flock: { args: ['i32', 'i32'], returns: 'i32' },
  openat: { args: ['i32', 'usize', 'i32', 'u32'], returns: 'i32' },
  fcntl: { args: ['i32', 'i32', 'usize'], returns: 'i32' },
  eventfd: { args: ['u32', 'i32'], returns: 'i32' },
  mmap: { args: ['usize', 'usize', 'i32', 'i32', 'i32', 'usize'], returns: 'ptr' },
  munmap: { args: ['usize', 'usize'], returns: 'i32' },
  // Sockets.
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  socketpair: { args: ['i32', 'i32', 'i32', 'usize'], returns: 'i32' },
  getsockname: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  bind: { args: ['i32', 'usize', 'u32'], returns: 'i32' },
  connect: { args: ['i32', 'usize', 'u32'], returns: 'i32' },
  setsockopt: { args: ['i32', 'i32', 'i32', 'usize', 'u32'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'usize', 'usize'], returns: 'i32' },
  send: { args: ['i32', 'usize', 'usize', 'i32'], returns: 'i32' },
  recv: { args: ['i32', 'usize', 'usize', 'i32'], returns: 'i32' },
  sendmsg: { args: ['i32', 'usize', 'i32'], returns: 'i32' },
  recvmsg: { args: ['i32', 'usize', 'i32'], returns: 'i32' },
  // Processes, threads, namespaces.
  geteuid: { args: [], returns: 'u32' },
  getegid: { args: [], returns: 'u32' },
  getpwnam: { args: ['usize'], returns: 'ptr' },
  initgroups: { args: ['usize', 'u32'], returns: 'i32' },
  setgid: { args: ['u32'], returns: 'i32' },
  setuid: { args: ['u32'], returns: 'i32' },
  capget: { args: ['usize', 'usize'], returns: 'i32' },
  capset: { args: ['usize', 'usize'], returns: 'i32' },
  getppid: { args: [], returns: 'i32' },
  kill: { args: ['i32', 'i32'], returns: 'i32' },
  waitpid: { args: ['i32', 'usize', 'i32'], returns: 'i32' },
  unshare: { args: ['i32'], returns: 'i32' },
  setns: { args: ['i32', 'i32'], returns: 'i32' },
  mount: { args: ['usize', 'usize', 'usize', 'usize', 'usize'], returns: 'i32' },
  prctl: { args: ['i32', 'usize', 'usize', 'usize', 'usize'], returns: 'i32' },
  umask: { args: ['u32'], returns: 'u32' },
  sched_yield: { args: [], returns: 'i32' },
  sched_setaffinity: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  sched_getaffinity: { args: ['i32', 'usize', 'usize'], returns: 'i32' },
  getrusage: { args: ['i32', 'usize'], returns: 'i32' },
  // The library itself.
  dlsym: { args: ['usize', 'usize'], returns: 'ptr' },
  strerror: { args: ['i32'], returns: 'ptr' },
  __errno_location: { args: [], returns: 'ptr' },
})

export const libc = library.symbols

// The address of errno is the thread's own and never changes, so it is asked for once.
const errnoAddress = libc.__errno_location()!

/** errno of this thread; meaningful right after a call that returned -1. */
export const errno = (): number => read.i32(errnoAddress, 0)

export const Errno = constants.errno

// Of two names for one number the first is the usual one: EAGAIN, not EWOULDBLOCK.
const errnoNames = new Map<number, string>()
for (const [name, code] of Object.entries(Errno)) {
  if (!errnoNames.has(code)) errnoNames.set(code, name)
}

export const errnoName = (code: number): string => errnoNames.get(code) ?? `E${code}`

export const errnoText = (code: number): string => new CString(libc.strerror(code)!).toString()

/** A system call that failed: `code` is the errno's name, `hint` says what to do about it. */
export class OsError extends Error {
  readonly errno: number
  readonly code: string
  readonly syscall: string

  constructor(syscall: string, code: number, hint?: string) {
    super(`${syscall}: ${errnoText(code)} (${errnoName(code)})${hint ? `: ${hint}` : ''}`)
    this.name = 'OsError'
    this.errno = code
    this.code = errnoName(code)
    this.syscall = syscall
  }
}

/** Returns the result of a cold call, or throws what errno says. */
export const check = (result: number, syscall: string, hint?: string): number => {
  if (result >= 0) return result
  throw new OsError(syscall, errno(), hint)
}

/** The address of a view; keep the view referenced for as long as the address is used. */
export const addressOf = (view: ArrayBufferView<ArrayBufferLike>): number =>
  ptr(view as Uint8Array<ArrayBuffer>) as number

/** A zeroed block of native memory layout: bytes, a DataView over them, and their address. */
export type Block = { bytes: Uint8Array<ArrayBuffer>; view: DataView; at: number }

export const block = (size: number): Block => {
  const buffer = new ArrayBuffer(size)
  const bytes = new Uint8Array(buffer)
  return { bytes, view: new DataView(buffer), at: addressOf(bytes) }
}

/** A NUL-terminated copy of a string. */
export const cstring = (text: string): Block => {
  const encoded = new TextEncoder().encode(text)
  const result = block(encoded.length + 1)
  result.bytes.set(encoded)
  return result
}

/** Writes an address or a size_t without BigInt; both 64-bit Linux ports of Bun are little-endian. */
export const putAddress = (view: DataView, offset: number, value: number): void => {
  view.setUint32(offset, value >>> 0, true)
  view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true)
}

/** The address of a C library function, for the steps of a spawn plan. */
export const functionAddress = (name: string): number => {
  const found = libc.dlsym(0, cstring(name).at)
  if (found === null) throw new Error(`the C library has no ${name}()`)
  return found as number
}

const O_CLOEXEC = 0x80000

/** open(2), close-on-exec. Throws OsError. */
export const openPath = (path: string, flags: number, hint?: string): number =>
  check(libc.open(cstring(path).at, flags | O_CLOEXEC, 0o600), `open ${path}`, hint)

export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_NONBLOCK = 0x800

const RUSAGE_THREAD = 1
const usage = block(144)

/** CPU time of the calling thread in microseconds, split as getrusage(2) splits it. */
export const threadCpu = (): { userUs: number; systemUs: number } => {
  check(libc.getrusage(RUSAGE_THREAD, usage.at), 'getrusage')
  const at = (offset: number) =>
    usage.view.getUint32(offset, true) * 1e6 + usage.view.getUint32(offset + 8, true)
  return { userUs: at(0), systemUs: at(16) }
}
