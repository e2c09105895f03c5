/**
 * The control messages of a worker's last call that receives (msg_control), one behind the other as recvmsg has them: level,
 * type, how many octets, and those in whole words, numbers in host order. The socket layer begins each call anew; protocols
 * put in what the socket has asked for. Worker only. Linux: put_cmsg() (net/core/scm.c), struct cmsghdr.
 */

/** Words in front of what a message says. */
export const CMSG_HEADER = 3
/** More than all that there are take together. */
const ROOM = 256

export type Cmsg = ReturnType<typeof createCmsg>

export const createCmsg = () => {
  const words = new Int32Array(ROOM)
  const octets = new Uint8Array(words.buffer)
  const state = { length: 0, flags: 0 }

  const begin = (): void => {
    state.length = 0
    state.flags = 0
  }
  /** A message of so many octets, zeroed: the index of its first word. */
  const put = (level: number, type: number, length: number): number => {
    const at = state.length
    words[at] = level
    words[at + 1] = type
    words[at + 2] = length
    const from = at + CMSG_HEADER
    state.length = from + ((length + 3) >> 2)
    words.fill(0, from, state.length)
    return from
  }
  const putInt = (level: number, type: number, value: number): void => {
    words[put(level, type, 4)] = value
  }
  /** MSG_* of what the call answers beside its count. */
  const putFlags = (flags: number): void => {
    state.flags |= flags
  }
  return {
    words,
    octets,
    begin,
    put,
    putInt,
    putFlags,
    /** Words that there are. */
    length: (): number => state.length,
    flags: (): number => state.flags,
  }
}
