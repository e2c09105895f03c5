/**
 * io_uring: many reads or writes in one system call. A ring belongs to the thread that made it; a batch is prepared, handed
 * to the kernel, and over when submit() returns: descriptors that don't block answer at once, so nothing is ever left
 * in flight. Memory is named by its offset in one block (the arena). Descriptors are registered when they are first used, which
 * saves each call a fifteenth (bench/tap/driver.ts), and kept open by that until forget().
 * Linux: io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
 */
import { toArrayBuffer } from 'bun:ffi'
import { addressOf, block, errno, Errno, libc, putAddress } from './libc.ts'

const NR_SETUP = 425
const NR_ENTER = 426
const NR_REGISTER = 427
const SETUP_SINGLE_ISSUER = 1 << 12
const SETUP_DEFER_TASKRUN = 1 << 13
const SETUP_NO_SQARRAY = 1 << 16
const ENTER_GETEVENTS = 1
const REGISTER_FILES = 2
const UNREGISTER_FILES = 3
const REGISTER_FILES_UPDATE = 6
const OFF_SQES = 0x10000000
const PROT_READ_WRITE = 3
/** MAP_SHARED | MAP_POPULATE. */
const MAP_FLAGS = 0x8001
const PAGE = 4096

// struct io_uring_params, in words: what is asked for, what the kernel gave, and where its fields lie in the mapping.
const PARAMS_BYTES = 120
const P_CQ_ENTRIES = 1
const P_FLAGS = 2
const P_SQ_HEAD = 10
const P_SQ_TAIL = 11
const P_SQ_MASK = 12
const P_CQ_HEAD = 20
const P_CQ_TAIL = 21
const P_CQ_MASK = 22
const P_CQES = 25

// struct io_uring_sqe: sixteen words, most of which stay zero; struct io_uring_cqe: four.
const SQE_SHIFT = 4
const SQE_FD = 1
const SQE_OFFSET = 2
const SQE_ADDRESS = 4
const SQE_LENGTH = 6
const SQE_RW_FLAGS = 7
const SQE_USER_DATA = 8
const CQE_SHIFT = 2
const CQE_RESULT = 2
const OP_READ = 22
const OP_WRITE = 23
/** In the second byte of the first word: the descriptor is the number of a registered one. */
const IOSQE_FIXED_FILE = 1 << 8

/** An answer at once, or -EAGAIN: without it the kernel would wait for the descriptor. */
const RWF_NOWAIT = 8

/** Descriptors that are registered at a time, and the numbers that they have at most. */
const MAX_FILES = 64
const MAX_FD = 1024

/** Calls in a batch. */
export const RING_ENTRIES = 64

export type Ring = ReturnType<typeof createRing>

/** A descriptor of a new ring, or -errno. */
const setup = (params: Uint32Array): number => {
  params[P_FLAGS] = SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_NO_SQARRAY
  const fd = libc.syscall(NR_SETUP, RING_ENTRIES, addressOf(params), 0, 0, 0, 0)
  return fd < 0 ? -errno() : fd
}
const newParams = (): Uint32Array => new Uint32Array(block(PARAMS_BYTES).bytes.buffer)

/** 0 when this process may have rings, else the errno: no io_uring in the kernel, or none for us. */
export const probeRing = (): number => {
  const fd = setup(newParams())
  if (fd < 0) return -fd
  libc.close(fd)
  return 0
}

const createRing = (memory: Uint8Array, fd: number, params: Uint32Array) => {
  const map = (length: number, offset: number): Int32Array => {
    const at = libc.mmap(0, length, PROT_READ_WRITE, MAP_FLAGS, fd, offset)
    return new Int32Array(toArrayBuffer(at!, 0, length))
  }
  const bytes = params[P_CQES] + params[P_CQ_ENTRIES] * 16
  const ring = map(Math.ceil(bytes / PAGE) * PAGE, 0)
  const sqes = map(RING_ENTRIES << (SQE_SHIFT + 2), OFF_SQES)
  const [sqHead, sqTail, cqHead, cqTail, cqes] = [
    P_SQ_HEAD,
    P_SQ_TAIL,
    P_CQ_HEAD,
    P_CQ_TAIL,
    P_CQES,
  ].map((word) => params[word] >> 2)
  const sqMask = ring[params[P_SQ_MASK] >> 2]
  const cqMask = ring[params[P_CQ_MASK] >> 2]
  const base = addressOf(memory)
  const low = base % 0x1_0000_0000
  const high = Math.floor(base / 0x1_0000_0000)
  const results = new Int32Array(RING_ENTRIES)
  let tail = ring[sqTail]
  let prepared = 0
  // what all calls have: the descriptor's own position, which a device does not ask for, and no wait
  for (let sqe = 0; sqe < sqes.length; sqe += 1 << SQE_SHIFT) {
    sqes.fill(-1, sqe + SQE_OFFSET, sqe + SQE_ADDRESS)
    sqes[sqe + SQE_RW_FLAGS] = RWF_NOWAIT
  }

  // Of each descriptor one more than its number among those that are registered, or 0.
  const places = new Uint8Array(MAX_FD)
  let registered = 0
  let hasTable = false
  const none = block(MAX_FILES * 4)
  none.bytes.fill(0xff)
  const one = block(4)
  // struct io_uring_files_update: from which number on, and the address of the descriptors
  const update = block(16)
  putAddress(update.view, 8, one.at)
  const register = (op: number, at: number, count: number): boolean =>
    libc.syscall(NR_REGISTER, fd, op, at, count, 0, 0) >= 0
  const openTable = (): boolean => {
    hasTable = register(REGISTER_FILES, none.at, MAX_FILES)
    // a kernel that refuses is not asked for each call
    if (!hasTable) registered = MAX_FILES
    return hasTable
  }
  /** Registers a descriptor; false when it has to go by itself. */
  const enroll = (file: number): boolean => {
    if (registered === MAX_FILES) return false
    if (!hasTable && !openTable()) return false
    update.view.setUint32(0, registered, true)
    one.view.setInt32(0, file, true)
    if (!register(REGISTER_FILES_UPDATE, update.at, 1)) return false
    places[file] = ++registered
    return true
  }
  /** Lets go of all descriptors: what was closed meanwhile is gone only then. Between batches. */
  const forget = (): void => {
    if (hasTable) register(UNREGISTER_FILES, 0, 0)
    hasTable = false
    registered = 0
    places.fill(0)
  }

  const prepare = (op: number, file: number, offset: number, length: number): void => {
    const sqe = (tail & sqMask) << SQE_SHIFT
    const address = low + offset
    if (file >>> 0 < MAX_FD && (places[file] !== 0 || enroll(file))) {
      sqes[sqe] = op | IOSQE_FIXED_FILE
      sqes[sqe + SQE_FD] = places[file] - 1
    } else {
      sqes[sqe] = op
      sqes[sqe + SQE_FD] = file
    }
    sqes[sqe + SQE_ADDRESS] = address | 0
    sqes[sqe + SQE_ADDRESS + 1] = address < 0x1_0000_0000 ? high : high + 1
    sqes[sqe + SQE_LENGTH] = length
    sqes[sqe + SQE_USER_DATA] = prepared++
    tail = (tail + 1) | 0
  }
  /** Adds a call to the batch, of RING_ENTRIES at most; it is the next in number. */
  const read = (file: number, offset: number, length: number): void =>
    prepare(OP_READ, file, offset, length)
  const write = (file: number, offset: number, length: number): void =>
    prepare(OP_WRITE, file, offset, length)

  /** Does what was prepared. The batch is empty again, and result(k) says what call k gave. */
  const submit = (): void => {
    const n = prepared
    prepared = 0
    Atomics.store(ring, sqTail, tail)
    let taken = libc.syscall(NR_ENTER, fd, n, n, ENTER_GETEVENTS, 0, 0)
    if (taken !== n) {
      taken = n - takeBack()
      results.fill(-Errno.EAGAIN, taken, n)
    }
    for (let done = reap(); done < taken; done += reap())
      libc.syscall(NR_ENTER, fd, 0, taken - done, ENTER_GETEVENTS, 0, 0)
  }
  /** The kernel has not taken all calls: the rest is not made. How many these are. */
  const takeBack = (): number => {
    const head = Atomics.load(ring, sqHead)
    const left = (tail - head) | 0
    tail = head
    Atomics.store(ring, sqTail, tail)
    return left
  }
  /** Takes the answers that are there; how many. */
  const reap = (): number => {
    let head = ring[cqHead]
    const end = Atomics.load(ring, cqTail)
    const n = (end - head) | 0
    for (; head !== end; head = (head + 1) | 0) {
      const cqe = cqes + ((head & cqMask) << CQE_SHIFT)
      results[ring[cqe]] = ring[cqe + CQE_RESULT]
    }
    Atomics.store(ring, cqHead, head)
    return n
  }
  /** What call k of the latest batch returned, or -errno. */
  const result = (k: number): number => results[k]

  return { read, write, submit, result, forget }
}

/** A ring over `memory`, or null where the kernel gives none. */
export const openRing = (memory: Uint8Array): Ring | null => {
  const params = newParams()
  const fd = setup(params)
  return fd < 0 ? null : createRing(memory, fd, params)
}
