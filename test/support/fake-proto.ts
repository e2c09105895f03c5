// Protocols for tests of what sits on the socket layer: streams and datagrams whose other end is a plain object in
// the test. They take and give random amounts, fill up, end and break as a real protocol may.
import type { Events } from '../../core/socket/events.ts'
import { AF_INET } from '../../core/base/family.ts'
import { Errno } from '../../core/base/errno.ts'
import type { Arena } from '../../core/shm/arena.ts'
import type { Slab } from '../../core/shm/slab.ts'
import {
  SK_DADDR,
  SK_DPORT,
  SK_ERR,
  SK_EVENT_ACCEPT,
  SK_EVENT_CONNECT,
  SK_EVENT_ERROR,
  SK_EVENT_HUP,
  SK_EVENT_READ,
  SK_EVENT_WRITE,
  SK_FAMILY,
  SK_NUM,
  SK_PROTOCOL,
  SK_SADDR,
  SK_SNDBUF,
  SK_STATE,
  SK_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  TCP_ESTABLISHED,
  TCP_LISTEN,
} from '../../core/socket/sock.ts'
import type { Proto } from '../../core/socket/proto.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../core/wire/ipproto.ts'

export type FakeDeps = {
  arena: Arena
  slab: Slab
  sockEvents: Events['sockEvents']
  random: () => number
  rcvbuf?: number
  sndbuf?: number
}

/** Bytes that queue up between the two ends. */
const createPipe = (capacity: number) => {
  const bytes = new Uint8Array(capacity)
  let head = 0
  let length = 0
  const write = (from: Uint8Array, at: number, len: number): number => {
    const n = Math.min(len, capacity - length)
    for (let done = 0; done < n; ) {
      const to = (head + length) % capacity
      const part = Math.min(n - done, capacity - to)
      bytes.set(from.subarray(at + done, at + done + part), to)
      length += part
      done += part
    }
    return n
  }
  const read = (to: Uint8Array, at: number, len: number): number => {
    const n = Math.min(len, length)
    for (let done = 0; done < n; ) {
      const part = Math.min(n - done, capacity - head)
      to.set(bytes.subarray(head, head + part), at + done)
      head = (head + part) % capacity
      length -= part
      done += part
    }
    return n
  }
  return { write, read, length: () => length, room: () => capacity - length }
}

export type Peer = ReturnType<ReturnType<typeof createFakeTcp>['connect']>

type Conn = {
  rx: ReturnType<typeof createPipe>
  tx: ReturnType<typeof createPipe>
  rxEnd: boolean
  txEnd: boolean
  wantSpace: boolean
  closed: boolean
  aborted: boolean
  lingers: boolean
}

export const createFakeTcp = (deps: FakeDeps) => {
  const { arena, slab, sockEvents, random, rcvbuf = 65536, sndbuf = 65536 } = deps
  const { i32, u8 } = arena
  const conns = new Map<number, Conn>()
  const listeners = new Map<number, { sk: number; queue: number[] }>()
  let ephemeral = 40000
  let nextPeerPort = 50000
  const some = (n: number): number => (n <= 1 ? n : 1 + ((random() >>> 1) % n))

  const open = (family: number): number => {
    const sk = slab.alloc()
    if (sk === 0) return 0
    i32[sk + SK_FAMILY] = family
    i32[sk + SK_TYPE] = SOCK_STREAM
    i32[sk + SK_PROTOCOL] = IPPROTO_TCP
    i32[sk + SK_SNDBUF] = sndbuf
    return sk
  }
  const establish = (sk: number): Conn => {
    const conn: Conn = {
      rx: createPipe(rcvbuf),
      tx: createPipe(sndbuf),
      rxEnd: false,
      txEnd: false,
      wantSpace: false,
      closed: false,
      aborted: false,
      lingers: false,
    }
    conns.set(sk, conn)
    i32[sk + SK_STATE] = TCP_ESTABLISHED
    return conn
  }
  const send = (sk: number, from: Uint8Array, at: number, len: number): number => {
    const conn = conns.get(sk)
    if (i32[sk + SK_ERR] !== 0) {
      const err = i32[sk + SK_ERR]!
      i32[sk + SK_ERR] = 0
      return -err
    }
    if (conn === undefined || conn.txEnd) return -Errno.EPIPE
    const n = conn.tx.write(from, at, Math.min(len, some(len)))
    if (n === 0 || conn.tx.room() === 0) conn.wantSpace = true
    return n === 0 ? -Errno.EAGAIN : n
  }
  const recv = (sk: number, to: Uint8Array, at: number, len: number): number => {
    const conn = conns.get(sk)!
    const n = conn.rx.read(to, at, Math.min(len, some(len)))
    if (n > 0) return n
    if (i32[sk + SK_ERR] !== 0) {
      const err = i32[sk + SK_ERR]!
      i32[sk + SK_ERR] = 0
      return -err
    }
    return conn.rxEnd ? 0 : -Errno.EAGAIN
  }
  const close = (sk: number): void => {
    const conn = conns.get(sk)
    if (conn !== undefined) {
      conn.closed = true
      conn.txEnd = true
      conns.delete(sk)
    }
    for (const [port, listener] of listeners) if (listener.sk === sk) listeners.delete(port)
    slab.free(sk)
  }
  /** What connect() meets: the test's end, or null to refuse. */
  let onConnect: (port: number) => ((peer: Peer) => void) | null = () => null

  /** Sockets whose connect() nobody has asked for its end yet. */
  const begun = new Set<number>()
  const congestion = new Map<number, Int32Array>()
  const proto: Proto = {
    open,
    bind: (sk, words, at, port) => {
      const wanted = port === 0 ? ephemeral++ : port
      for (const listener of listeners.values())
        if (
          i32[listener.sk + SK_NUM] === wanted &&
          i32[listener.sk + SK_FAMILY] === i32[sk + SK_FAMILY]
        )
          return -Errno.EADDRINUSE
      i32.set(words.subarray(at, at + 4), sk + SK_SADDR)
      i32[sk + SK_NUM] = wanted
      return 0
    },
    listen: (sk) => {
      i32[sk + SK_STATE] = TCP_LISTEN
      // both families share the fake's one table; the first one gets the peers
      const port = i32[sk + SK_NUM]!
      if (!listeners.has(port)) listeners.set(port, { sk, queue: [] })
      return 0
    },
    accept: (sk) => {
      for (const listener of listeners.values())
        if (listener.sk === sk) return listener.queue.shift() ?? 0
      return 0
    },
    connect: (sk, words, at, port) => {
      // the call that asks how it has ended
      if (begun.delete(sk)) {
        const error = i32[sk + SK_ERR]!
        i32[sk + SK_ERR] = 0
        return -error
      }
      begun.add(sk)
      i32.set(words.subarray(at, at + 4), sk + SK_DADDR)
      i32[sk + SK_DPORT] = port
      i32[sk + SK_NUM] ||= ephemeral++
      const meet = onConnect(port)
      if (meet === null) {
        i32[sk + SK_ERR] = Errno.ECONNREFUSED
        sockEvents(sk, SK_EVENT_ERROR)
      } else {
        meet(peerOf(sk, establish(sk)))
        sockEvents(sk, SK_EVENT_CONNECT | SK_EVENT_WRITE)
      }
      return -Errno.EINPROGRESS
    },
    sendmsg: (sk, from, len) => send(sk, u8, from, len),
    sendBytes: send,
    recvmsg: (sk, to, len) => recv(sk, u8, to, len),
    recvBytes: recv,
    setOption: (_sk, level) => (level === IPPROTO_TCP ? 0 : -Errno.ENOPROTOOPT),
    setNameOption: (sk, _level, _name, words, at) => {
      congestion.set(sk, words.slice(at, at + 4))
      return 0
    },
    getNameOption: (sk, _level, _name, words, at) => {
      words.set(congestion.get(sk)!, at)
      return 16
    },
    shutdown: (sk, how) => {
      if (how !== 0) conns.get(sk)!.txEnd = true
      return 0
    },
    linger: (sk) => conns.get(sk)?.lingers ?? false,
    close,
    abort: (sk) => {
      const conn = conns.get(sk)
      if (conn !== undefined) conn.aborted = true
      close(sk)
    },
  }

  const peerOf = (sk: number, conn: Conn) => ({
    /** Bytes that the socket's receive buffer took. */
    write: (bytes: Uint8Array, at = 0, len = bytes.length - at): number => {
      const n = conn.rx.write(bytes, at, len)
      if (n > 0 && !conn.closed) sockEvents(sk, SK_EVENT_READ)
      return n
    },
    /** Takes up to `max` bytes of what the socket sent. */
    read: (max: number): Uint8Array => {
      const bytes = new Uint8Array(Math.min(max, conn.tx.length()))
      conn.tx.read(bytes, 0, bytes.length)
      if (bytes.length > 0 && conn.wantSpace && !conn.closed) {
        conn.wantSpace = false
        sockEvents(sk, SK_EVENT_WRITE)
      }
      return bytes
    },
    end: (): void => {
      conn.rxEnd = true
      if (!conn.closed) sockEvents(sk, SK_EVENT_READ | SK_EVENT_HUP)
    },
    reset: (): void => {
      conn.txEnd = true
      i32[sk + SK_ERR] = Errno.ECONNRESET
      if (!conn.closed) sockEvents(sk, SK_EVENT_ERROR | SK_EVENT_HUP)
    },
    /** The socket's close waits, until its peer has everything. */
    linger: (): void => {
      conn.lingers = true
    },
    lingered: (): void => {
      conn.lingers = false
      sockEvents(sk, SK_EVENT_WRITE)
    },
    unsent: () => conn.tx.length(),
    unread: () => conn.rx.length(),
    /** The socket has said that it sends no more, and all it sent was taken. */
    ended: () => conn.txEnd && conn.tx.length() === 0,
    isClosed: () => conn.closed,
    wasAborted: () => conn.aborted,
  })

  /** A peer connects to a listening port; throws when nobody listens. */
  const connect = (port: number) => {
    const listener = listeners.get(port)
    if (listener === undefined) throw new Error(`nobody listens on ${port}`)
    const sk = open(AF_INET)
    i32.set([0, 0, 0xffff, 0x0a000001], sk + SK_SADDR)
    i32.set([0, 0, 0xffff, 0x0a000002], sk + SK_DADDR)
    i32[sk + SK_NUM] = port
    i32[sk + SK_DPORT] = nextPeerPort++
    const peer = peerOf(sk, establish(sk))
    listener.queue.push(sk)
    sockEvents(listener.sk, SK_EVENT_ACCEPT)
    return peer
  }
  return {
    proto,
    connect,
    listens: (port: number) => listeners.has(port),
    /** Decides what outgoing connections meet. */
    accepts: (decide: typeof onConnect) => {
      onConnect = decide
    },
  }
}

export type Datagram = { data: Uint8Array; addr: number; port: number }

export const createFakeUdp = ({ arena, slab, sockEvents }: FakeDeps) => {
  const { i32, u8 } = arena
  const queues = new Map<number, Datagram[]>()
  const bound = new Map<number, number>()
  const sent: Datagram[] = []
  const peer = new Int32Array(8)
  let ephemeral = 41000
  const proto: Proto = {
    open: (family) => {
      const sk = slab.alloc()
      if (sk === 0) return 0
      i32[sk + SK_FAMILY] = family
      i32[sk + SK_TYPE] = SOCK_DGRAM
      i32[sk + SK_PROTOCOL] = IPPROTO_UDP
      queues.set(sk, [])
      return sk
    },
    bind: (sk, words, at, port) => {
      i32.set(words.subarray(at, at + 4), sk + SK_SADDR)
      i32[sk + SK_NUM] = port === 0 ? ephemeral++ : port
      if (i32[sk + SK_FAMILY] === AF_INET) bound.set(i32[sk + SK_NUM]!, sk)
      return 0
    },
    connect: (sk, words, at, port) => {
      i32.set(words.subarray(at, at + 4), sk + SK_DADDR)
      i32[sk + SK_DPORT] = port
      return 0
    },
    sendto: (_sk, from, len, words, at, port) => {
      sent.push({ data: u8.slice(from, from + len), addr: words[at + 3]!, port })
      return len
    },
    peer,
    recvfrom: (sk, to, len) => {
      const datagram = queues.get(sk)!.shift()
      if (datagram === undefined) return -Errno.EAGAIN
      peer.set([0, 0, 0xffff, datagram.addr, datagram.port])
      const n = Math.min(len, datagram.data.length)
      u8.set(datagram.data.subarray(0, n), to)
      return n
    },
    close: (sk) => {
      queues.delete(sk)
      for (const [port, owner] of bound) if (owner === sk) bound.delete(port)
      slab.free(sk)
    },
  }
  /** A datagram arrives for `port`. */
  const arrive = (port: number, datagram: Datagram): boolean => {
    const sk = bound.get(port)
    if (sk === undefined) return false
    queues.get(sk)!.push(datagram)
    sockEvents(sk, SK_EVENT_READ)
    return true
  }
  return { proto, arrive, sent }
}
