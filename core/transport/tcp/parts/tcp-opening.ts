/**
 * The parts of TCP that begin connections, by others' wish and by ours. Made by tcp.ts over what sends and receives.
 */
import { type TcpBind, createTcpBind } from '../connect/tcp-bind.ts'
import { createTcpConnect } from '../connect/tcp-connect.ts'
import { createTcpDisconnect } from '../connect/tcp-disconnect.ts'
import { createTcpLocalPort } from '../connect/tcp-local-port.ts'
import { type TcpRouting, createTcpRouting } from '../connect/tcp-routing.ts'
import { createTcpSendSyn } from '../connect/tcp-send-syn.ts'
import { createTcpTwReuse } from '../connect/tcp-tw-reuse.ts'
import { createTcpSendmsgFastopen } from '../fastopen/tcp-sendmsg-fastopen.ts'
import { createTcpCheckReq } from '../listen/tcp-check-req.ts'
import { createTcpListenQueues } from '../listen/tcp-listen-queues.ts'
import { createTcpListen } from '../listen/tcp-listen.ts'
import { createTcpRequest } from '../listen/tcp-request.ts'
import { createTcpSyncookies } from '../listen/tcp-syncookies.ts'
import type { Base, Tables, TcpDeps } from './tcp-base.ts'
import type { Receiving } from './tcp-receiving.ts'
import type { Sending } from './tcp-sending.ts'

/** What is made before. */
export type Lower = Base & Tables & Sending & Receiving

/** Passive open: listeners, requests, what is left of connections that are over. */
const createListening = (lower: Lower & TcpRouting & TcpBind, { worker, afOps }: TcpDeps) => {
  const syncookies = createTcpSyncookies({ ...lower, worker, afOps })
  const listenQueues = createTcpListenQueues(lower)
  const request = createTcpRequest({ ...lower, listenQueues, afOps })
  const { inheritNow, isMixed, synAgain } = request
  const checkReq = createTcpCheckReq({ ...lower, listenQueues, inheritNow, isMixed, synAgain })
  const requests = { listenQueues, request, checkReq }
  const listen = createTcpListen({ ...lower, ...requests, syncookies })
  return { ...requests, listen }
}

/** Active open. */
const createConnecting = (lower: Lower & { routing: TcpRouting }, deps: TcpDeps) => {
  const { worker, steer, addrType } = deps
  const twReuse = createTcpTwReuse(lower)
  const port = createTcpLocalPort({ ...lower, worker, steer, twReuse })
  const disconnect = createTcpDisconnect({ ...lower, purgeRcv: lower.rcvQueue.purge })
  const syn = createTcpSendSyn({ ...lower, twReuse })
  const calls = { ...port, ...disconnect, ...syn, addrType }
  const { connect, beginConnect } = createTcpConnect({ ...lower, ...calls })
  const { sendFastopen } = createTcpSendmsgFastopen({ ...lower, ...syn, beginConnect })
  return { connect, sendFastopen }
}

export const createOpening = (lower: Lower, deps: TcpDeps) => {
  const { arena, time, random, addrType, skDst } = deps
  const routing = createTcpRouting(arena, time, lower.secure, skDst)
  const binding = createTcpBind({ ...lower, random, addrType })
  const listening = createListening({ ...lower, ...routing, ...binding }, deps)
  const connecting = createConnecting({ ...lower, routing }, deps)
  return { ...binding, ...listening, ...connecting }
}
