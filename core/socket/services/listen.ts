/**
 * What the built-in services have in common: sockets on a well-known port for both families. Every worker opens
 * its own, an SO_REUSEPORT group of which the NIC's hash picks the member. Worker only, at boot and on
 * configuration changes.
 */
import { AF_INET, AF_INET6 } from '../../base/family.ts'
import {
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
} from '../socket-constants.ts'
import type { Sockets } from '../sockets.ts'
import { SK_EVENT_READ, SK_EVENT_WRITE, SOCK_DGRAM, SOCK_STREAM } from '../sock.ts'

/** RFC 862, 863, 864. */
export const ECHO_PORT = 7
export const DISCARD_PORT = 9
export const CHARGEN_PORT = 19

/** Bytes a service moves for one socket before the others have their turn. */
export const SERVICE_BUDGET = 256 * 1024

export type Service = {
  /** Opens the service's sockets; false when one of them could not be had. */
  open: () => boolean
  /** Closes them; connections already made go on. */
  close: () => void
}

const BACKLOG = 4096
/** The wildcard of either family. */
const ANY = new Int32Array(4)

const openBound = (sockets: Sockets, family: number, type: number, port: number): number => {
  const sk = sockets.socket(family, type, 0)
  if (sk < 0) return sk
  sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, 1)
  sockets.setsockopt(sk, SOL_SOCKET, SO_REUSEPORT, 1)
  if (family === AF_INET6) sockets.setsockopt(sk, IPPROTO_IPV6, IPV6_V6ONLY, 1)
  const err = sockets.bind(sk, ANY, 0, port)
  if (err === 0) return sk
  sockets.close(sk)
  return err
}

/** A service over sockets of `type` on `port`; `handler` hears of the bound ones. */
const createService = (sockets: Sockets, type: number, port: number, handler: number): Service => {
  const bound: number[] = []
  const openOne = (family: number): boolean => {
    const sk = openBound(sockets, family, type, port)
    if (sk < 0) return false
    sockets.attach(sk, handler, 0)
    if (type === SOCK_STREAM && sockets.listen(sk, BACKLOG) !== 0) {
      sockets.close(sk)
      return false
    }
    bound.push(sk)
    return true
  }
  const close = (): void => {
    for (const sk of bound) sockets.close(sk)
    bound.length = 0
  }
  const open = (): boolean => {
    if (openOne(AF_INET) && openOne(AF_INET6)) return true
    close()
    return false
  }
  return { open, close }
}

/** A TCP service: each connection is given to `connection` and told at once to look what it can do. */
export const createTcpService = (sockets: Sockets, port: number, connection: number): Service => {
  const acceptAll = (listener: number): void => {
    for (let sk = sockets.accept(listener); sk > 0; sk = sockets.accept(listener)) {
      sockets.attach(sk, connection, 0)
      sockets.sockEvents(sk, SK_EVENT_READ | SK_EVENT_WRITE)
    }
  }
  return createService(sockets, SOCK_STREAM, port, sockets.registerHandler(acceptAll))
}

export const createUdpService = (sockets: Sockets, port: number, handler: number): Service =>
  createService(sockets, SOCK_DGRAM, port, handler)

/** Ports from which a datagram is not answered, lest two servers talk to each other for ever (inetd does so). */
export const isLoopPort = (port: number): boolean =>
  port === 0 ||
  port === ECHO_PORT ||
  port === 13 ||
  port === 17 ||
  port === CHARGEN_PORT ||
  port === 37
