/**
 * The contract between the socket layer and the protocols under it.
 *
 * A protocol (TCP, UDP, ...) is a Proto: calls that take a sock row and answer with a count or -errno, as Linux's
 * struct proto does. A protocol that lacks a call leaves it out and the caller gets EOPNOTSUPP. Addresses are four
 * int32 words at (words, at) (IPv4 as v4-mapped), ports numbers in host order. Worker thread only.
 * Linux: struct proto (net/sock.h), struct inet_protosw (net/protocol.h).
 */

/**
 * TCP's is made by transport/tcp/sock/tcp-proto.ts, UDP's by transport/udp/udp-sock.ts, those of raw and ping sockets by
 * transport/raw/raw-sock.ts and transport/ping/ping-sock.ts.
 */
export type Proto = {
  /** A new sock of the family and, where it speaks for several, the protocol; 0 when the table is full, or -errno. */
  open: (family: number, protocol?: number) => number
  /** `zone`: the device of a packet socket's address. */
  bind: (sk: number, words: Int32Array, at: number, port: number, zone?: number) => number
  /** 0, -EINPROGRESS (SK_EVENT_CONNECT or SK_EVENT_ERROR follows), or -errno. */
  connect: (sk: number, words: Int32Array, at: number, port: number) => number
  listen?: (sk: number, backlog: number) => number
  /** The next established child, or 0. */
  accept?: (sk: number) => number
  /** Queues up to `len` bytes from the arena; fewer when there is no more room, -EAGAIN when there is none. */
  sendmsg?: (sk: number, from: number, len: number, flags: number) => number
  sendBytes?: (sk: number, bytes: Uint8Array, from: number, len: number) => number
  /** Takes up to `len` bytes; 0 is the end of the stream, -EAGAIN nothing there yet. */
  recvmsg?: (sk: number, to: number, len: number, flags?: number) => number
  /** What recvmsg would begin with as the skb that it came in, the caller's from now on; 0: recvmsg is to be asked; -EAGAIN as recvmsg. */
  readSkb?: (sk: number, len: number) => number
  recvBytes?: (sk: number, bytes: Uint8Array, at: number, len: number) => number
  /** One datagram out; of a stream as sendmsg, but that MSG_FASTOPEN connects to the address. */
  sendto?: (
    sk: number,
    from: number,
    len: number,
    words: Int32Array,
    at: number,
    port: number,
    flags?: number,
    zone?: number
  ) => number
  /** One datagram in (cut to `len`); its sender lies in `peer` until the next call. */
  recvfrom?: (sk: number, to: number, len: number, flags?: number) => number
  peer?: Int32Array
  shutdown?: (sk: number, how: number) => number
  /** What it is ready for, POLL* bits. */
  poll?: (sk: number) => number
  /** Takes the oldest of the error queue: EE_* words at (to, at) (errqueue.ts), and 0; -EAGAIN when it is empty. */
  recvErr?: (sk: number, to: Int32Array, at: number) => number
  /** The answer to a request (SIOC*), or -errno. */
  ioctl?: (sk: number, request: number) => number
  /** The owner lets go: an orderly end, the row lives on as long as the protocol needs it. */
  close: (sk: number) => void
  /** Is the owner, who wants to let go, to wait for an event (SO_LINGER)? The first time that he asks the end begins. */
  linger?: (sk: number) => boolean
  /** Breaks it at once (TCP: RST). The row may live on until its owner closes it. */
  abort?: (sk: number) => void
  /** The headers of its packets are longer or shorter by now (icsk_sync_mss). */
  syncMss?: (sk: number) => void
  setOption?: (sk: number, level: number, name: number, value: number) => number
  getOption?: (sk: number, level: number, name: number) => number
  /**
   * Options whose value is text or a key: `len` octets in the words at (words, at), of which there are sixteen at least; text
   * is ended by a zero.
   */
  setNameOption?: (...args: [...Parameters<NameOption>, len: number]) => number
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
