/**
 * A daemon that root has started goes on as another user when its devices are open, on every thread. The control thread alone
 * keeps what makes TAPs and packet sockets later on. Control thread, once. capabilities(7), setuid(7).
 */
import { read } from 'bun:ffi'
import { block, check, cstring, libc } from './libc.ts'

const PR_SET_KEEPCAPS = 8
const CAP_VERSION_3 = 0x20080522
const CAP_NET_ADMIN = 12
const CAP_NET_RAW = 13
const KEPT = (1 << CAP_NET_ADMIN) | (1 << CAP_NET_RAW)
/** struct passwd: name and password are pointers. */
const PW_UID = 16
const PW_GID = 20

/** struct __user_cap_data_struct, the lower half's words. */
const EFFECTIVE = 0
const PERMITTED = 4

/**
 * Capabilities are a thread's own, so this is of the calling one: effective and permitted, nothing to inherit. What it has
 * not itself, as in a container that was given no CAP_NET_RAW, it cannot keep: those devices fail when they are made.
 */
const keepCapabilities = (): void => {
  const header = block(8)
  header.view.setUint32(0, CAP_VERSION_3, true)
  const data = block(24)
  check(libc.capget(header.at, data.at), 'capget')
  const kept = data.view.getUint32(PERMITTED, true) & KEPT
  data.bytes.fill(0)
  data.view.setUint32(EFFECTIVE, kept, true)
  data.view.setUint32(PERMITTED, kept, true)
  check(libc.capset(header.at, data.at), 'capset')
}

/** The C library changes the user of all threads; but for the calling one they have no capability from then on. */
export const becomeUser = (name: string): void => {
  if (libc.geteuid() !== 0) throw new Error(`only root can become ${name}`)
  const entry = libc.getpwnam(cstring(name).at)
  if (entry === null) throw new Error(`there is no user ${name}`)
  const [uid, gid] = [read.u32(entry, PW_UID), read.u32(entry, PW_GID)]
  check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 'prctl PR_SET_KEEPCAPS')
  check(libc.initgroups(cstring(name).at, gid), 'initgroups')
  check(libc.setgid(gid), 'setgid')
  check(libc.setuid(uid), 'setuid')
  if (uid !== 0) keepCapabilities()
}
