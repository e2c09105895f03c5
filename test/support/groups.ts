// Multicast groups in tests: a socket of a stack that joins and leaves, by the names of the socket options.

import { V4_MAPPED } from '../../core/base/family.ts'
import * as constants from '../../core/socket/socket-constants.ts'
import type { Stack } from '../../core/stack.ts'
import { type Words, parseAddr } from '../../core/wire/text.ts'

type Name = Extract<keyof typeof constants, `IP_${string}` | `IPV6_${string}` | `MCAST_${string}`>
const NUMBERS: Readonly<Record<Name, number>> = constants
export type JoinOptions = {
  /** The device, as an index or as an IPv4 address of it. */
  dev?: number
  address?: string
  source?: string
  /** IP_ADD_MEMBERSHIP, or IPV6_JOIN_GROUP. */
  name?: Name
}
const NONE: Words = [0, 0, 0, 0]

export const addrWords = (text: string): Words => {
  const addr = parseAddr(text)
  if (addr === null) throw new Error(`${text} is no address`)
  return addr.words
}

/** 0, or -errno. */
export const joinOn = (
  { sockets }: Pick<Stack, 'sockets'>,
  sk: number,
  group: string,
  { dev = 0, address, source, name }: JoinOptions = {}
): number => {
  const words = Int32Array.from([...addrWords(group), ...(source ? addrWords(source) : NONE)])
  const is4 = words[2] === V4_MAPPED && words[0] === 0
  return sockets.membership(
    sk,
    is4 ? constants.IPPROTO_IP : constants.IPPROTO_IPV6,
    NUMBERS[name ?? (is4 ? 'IP_ADD_MEMBERSHIP' : 'IPV6_JOIN_GROUP')],
    words,
    0,
    dev,
    address === undefined ? 0 : addrWords(address)[3],
    words,
    4
  )
}
