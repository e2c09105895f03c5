/** Single items as the control plane dumps them, for tests of what is printed. */
import type { RouteItem, SockItem } from '../../../core/control/text/messages.ts'

export const makeRoute = (dst: string, more: Partial<RouteItem> = {}): RouteItem => ({
  type: 'unicast',
  dst,
  table: 'main',
  protocol: 'boot',
  scope: 'global',
  flags: [],
  family: 'inet',
  ...more,
})

export const makeSock = (more: Partial<SockItem> = {}): SockItem => ({
  netid: 'tcp',
  family: 'inet',
  state: 'ESTAB',
  recv_q: 0,
  send_q: 0,
  local: { addr: '127.0.0.1', port: 7777 },
  peer: { addr: '127.0.0.1', port: 49496 },
  sk: '2',
  worker: 0,
  hash: '1a2b3c4d',
  shutdown: 0,
  skmem: { rmem_alloc: 0, rcv_buf: 131072, wmem_alloc: 0, snd_buf: 3939840, sock_drop: 0 },
  ...more,
})
