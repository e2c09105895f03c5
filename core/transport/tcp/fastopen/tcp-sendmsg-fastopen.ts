/**
 * A write that may have to connect first, and sends text with the SYN. Called by tcp-sendmsg.ts on the worker.
 * Linux: tcp_sendmsg_fastopen, __inet_stream_connect; RFC 7413.
 */
import { Errno } from '../../../base/errno.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import {
  SK_ERR,
  SK_FLAGS,
  SK_STATE,
  TCP_CLOSE,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../../../socket/sock.ts'
import { MSG_DONTWAIT } from '../../../socket/socket-constants.ts'
import {
  SOCK_CONNECTED,
  SOCK_CONNECTING,
  SOCK_DISCONNECTING,
  SOCK_WRITE_PENDING,
} from '../sock/sock-flags.ts'
import { TFO_CLIENT_ENABLE } from '../sock/tcp-constants.ts'
import { FO_DEFER, TP_FASTOPEN } from '../sock/tcp-sock.ts'
import type { FastopenClient } from './tcp-fastopen-client.ts'
import { type TcpConnect, isDeferred } from '../connect/tcp-connect.ts'
import type { TcpSendSyn } from '../connect/tcp-send-syn.ts'

export type TcpSendmsgFastopen = ReturnType<typeof createTcpSendmsgFastopen>
type TcpSendmsgFastopenDeps = {
  arena: Arena
  fastopenClient: Pick<FastopenClient, 'sendSynData'>
} & Pick<TcpConnect, 'beginConnect'> &
  Pick<TcpSendSyn, 'queueSyn'>

export const createTcpSendmsgFastopen = (deps: TcpSendmsgFastopenDeps) => {
  const { fastopenClient, beginConnect, queueSyn } = deps
  const { i32, layout } = deps.arena
  const { sysctl } = layout

  /**
   * What a write does that may have to connect first, by MSG_FASTOPEN or because connect() has left that to it: with the SYN
   * goes as much of `len` octets as it takes, which `copy` brings. How many those are, 0 when it is a write as any, -EINPROGRESS
   * when none could go, or -errno (tcp_sendmsg_fastopen). `words` null: an address of no family; port -1: none was given.
   */
  const sendFastopen = (
    sk: number,
    words: Int32Array | null,
    at: number,
    port: number,
    len: number,
    flags: number,
    copy: (to: number, n: number) => void
  ): number => {
    const isUnspec = words === null && port >= 0
    if ((i32[sysctl + Sysctl.tcp_fastopen] & TFO_CLIENT_ENABLE) === 0 || isUnspec)
      return -Errno.EOPNOTSUPP
    const state = i32[sk + SK_STATE]
    if (state === TCP_SYN_SENT && isDeferred(i32, sk)) i32[sk + TP_FASTOPEN] &= ~FO_DEFER
    else if (state !== TCP_CLOSE) return underWay(sk, state, flags)
    else if (i32[sk + SK_ERR] !== 0) return 0
    else {
      const err = words === null ? -Errno.EINVAL : beginConnect(sk, words, at, port)
      if (err !== 0) return err
    }
    const syn = queueSyn(sk)
    const sent = syn === 0 ? 0 : fastopenClient.sendSynData(sk, syn, len, copy)
    if (sent < len && (flags & MSG_DONTWAIT) === 0) i32[sk + SK_FLAGS] |= SOCK_WRITE_PENDING
    return sent === 0 ? -Errno.EINPROGRESS : sent
  }
  /** MSG_FASTOPEN on what is connected, or will be: once that says nothing. */
  const underWay = (sk: number, state: number, flags: number): number => {
    const how = i32[sk + SK_FLAGS] & SOCK_DISCONNECTING
    if (how !== SOCK_CONNECTING) return how === SOCK_DISCONNECTING ? -Errno.EINVAL : -Errno.EISCONN
    if (state === TCP_SYN_SENT || state === TCP_SYN_RECV)
      return (flags & MSG_DONTWAIT) !== 0 ? -Errno.EALREADY : 0
    i32[sk + SK_FLAGS] ^= SOCK_CONNECTING | SOCK_CONNECTED
    return 0
  }

  return { sendFastopen }
}
