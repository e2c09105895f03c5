/**
 * SK_FLAGS of a TCP socket: enum sock_flags, SOCK_*_LOCK and SS_* of Linux in one word.
 */

/** No application holds it: it is freed when its connection ends. */
export const SOCK_DEAD = 1
export const SOCK_KEEPOPEN = 2
export const SOCK_LINGER = 4
export const SOCK_RCVBUF_LOCK = 8
export const SOCK_SNDBUF_LOCK = 16
export const SOCK_BINDADDR_LOCK = 32
export const SOCK_BINDPORT_LOCK = 64
/** A writer waits for room. */
export const SOCK_NOSPACE = 128
/** A FIN came in. */
export const SOCK_DONE = 256
/** TCP_CONGESTION was set. */
export const SOCK_CA_SETSOCKOPT = 512
/** It is held up until what it has sent has gone (tcp-tsq.ts). */
export const SOCK_TSQ_THROTTLED = 1024
/** Who waits for the handshake has something to send then (sk_write_pending). */
export const SOCK_WRITE_PENDING = 2048
/** SO_ZEROCOPY. */
export const SOCK_ZEROCOPY = 8192
/** SO_OOBINLINE: urgent data stays in the stream. */
export const SOCK_URGINLINE = 4096
/**
 * struct socket's SS_*: we have connected it, and nobody has asked since whether that is done; it is connected; both: it was
 * shut down before that (SS_DISCONNECTING).
 */
export const SOCK_CONNECTING = 16384
export const SOCK_CONNECTED = 32768
export const SOCK_DISCONNECTING = SOCK_CONNECTING | SOCK_CONNECTED

/** Its holder waits for the FIN's acknowledgement before he closes it (SO_LINGER). */
export const SOCK_LINGERING = 65536
/** What it has written waits for more until the turn ends, and for nothing below (tcp-tsq.ts: tcp_should_autocork). */
export const SOCK_AUTOCORKED = 131072
/** The peer's window is its SYN-ACK's, which is not scaled: until text comes, or another window, nothing is as predicted. */
export const SOCK_UNPREDICTED = 262144
