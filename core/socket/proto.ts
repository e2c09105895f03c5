/**
 * The contract between the socket layer and the protocols under it, and the numbers of the BSD interface.
 *
 * A protocol (TCP, UDP, ...) is a Proto: calls that take a sock row and answer with a count or -errno, as Linux's
 * struct proto does. A protocol that lacks a call leaves it out and the caller gets EOPNOTSUPP. Addresses are four
 * int32 words at (words, at) (IPv4 as v4-mapped), ports numbers in host order. Worker thread only.
 * Linux: struct proto (net/sock.h), struct inet_protosw (net/protocol.h), asm-generic/socket.h.
 */

/** TCP's is made by transport/tcp/sock/tcp-proto.ts, UDP's by transport/udp/udp-sock.ts. */
export type Proto = {
  /** A new sock of the family, or 0 when the table is full. */
  open: (family: number) => number
  bind: (sk: number, words: Int32Array, at: number, port: number) => number
  /** 0, -EINPROGRESS (SK_EVENT_CONNECT or SK_EVENT_ERROR follows), or -errno. */
  connect: (sk: number, words: Int32Array, at: number, port: number) => number
  listen?: (sk: number, backlog: number) => number
  /** The next established child, or 0. */
  accept?: (sk: number) => number
  /** Queues up to `len` bytes from the arena; fewer when there is no more room, -EAGAIN when there is none. */
  sendmsg?: (sk: number, from: number, len: number, flags: number) => number
  sendBytes?: (sk: number, bytes: Uint8Array, from: number, len: number) => number
  /** Takes up to `len` bytes; 0 is the end of the stream, -EAGAIN nothing there yet. */
  recvmsg?: (sk: number, to: number, len: number) => number
  recvBytes?: (sk: number, bytes: Uint8Array, at: number, len: number) => number
  /** One datagram out. */
  sendto?: (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number
  ) => number
  /** One datagram in (cut to `len`); its sender lies in `peer` until the next call. */
  recvfrom?: (sk: number, to: number, len: number) => number
  peer?: Int32Array
  shutdown?: (sk: number, how: number) => number
  /** The owner lets go: an orderly end, the row lives on as long as the protocol needs it. */
  close: (sk: number) => void
  /** Breaks it at once (TCP: RST). The row may live on until its owner closes it. */
  abort?: (sk: number) => void
  setOption?: (sk: number, level: number, name: number, value: number) => number
  getOption?: (sk: number, level: number, name: number) => number
  /** Options whose value is a name: 16 octets of it, ended by a zero, in the words at (words, at). */
  setNameOption?: NameOption
  /** How long it is, or -errno. */
  getNameOption?: NameOption
}

export type NameOption = (
  sk: number,
  level: number,
  name: number,
  words: Int32Array,
  at: number
) => number

/** Words of Proto.peer. */
export const PEER_ADDR = 0
export const PEER_PORT = 4
export const PEER_WORDS = 8

export const IPPROTO_IP = 0
export const IPPROTO_ICMP = 1
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_IPV6 = 41
export const IPPROTO_ICMPV6 = 58

export const SHUT_RD = 0
export const SHUT_WR = 1
export const SHUT_RDWR = 2

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_TYPE = 3
export const SO_ERROR = 4
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_KEEPALIVE = 9
export const SO_REUSEPORT = 15
export const SO_BINDTODEVICE = 25
export const SO_ACCEPTCONN = 30
export const SO_MARK = 36
export const SO_PROTOCOL = 38
export const SO_DOMAIN = 39

export const IP_TOS = 1
export const IP_TTL = 2
export const IPV6_UNICAST_HOPS = 16
export const IPV6_V6ONLY = 26
export const IPV6_TCLASS = 67

export const TCP_NODELAY = 1
/** A name option (TCP_CA_NAME_MAX octets). */
export const TCP_CONGESTION = 13

// Bits of SK_REUSE.
export const REUSE_ADDR = 1
export const REUSE_PORT = 2
export const V6ONLY = 4
