/**
 * The parts of TCP that receive: acknowledgements, the receive queue, the life of a socket and the states that segments lead it
 * through. Made by tcp.ts over what sends.
 */
import { createTcpDataEcn } from '../ecn/tcp-data-ecn.ts'
import { createFastopenActive } from '../fastopen/tcp-fastopen-active.ts'
import { createFastopenClient } from '../fastopen/tcp-fastopen-client.ts'
import { createFastopenKeys } from '../fastopen/tcp-fastopen-keys.ts'
import { createFastopenQueue } from '../fastopen/tcp-fastopen-queue.ts'
import { createTcpFastopen } from '../fastopen/tcp-fastopen.ts'
import { createTcpMetricsCache } from '../fastopen/tcp-metrics-cache.ts'
import { createTcpCoalesce } from '../rcv/tcp-coalesce.ts'
import { createTcpDataQueue } from '../rcv/tcp-data-queue.ts'
import { createTcpEventData } from '../rcv/tcp-event-data.ts'
import { createTcpInput } from '../rcv/tcp-input.ts'
import { createTcpOfoQueue } from '../rcv/tcp-ofo-queue.ts'
import { createTcpPaws } from '../rcv/tcp-paws.ts'
import { createTcpPrune } from '../rcv/tcp-prune.ts'
import { createTcpRcvQueue } from '../rcv/tcp-rcv-queue.ts'
import { createTcpUrg } from '../rcv/tcp-urg.ts'
import { createTcpValidate } from '../rcv/tcp-validate.ts'
import { createTcpCompressedAck, type TcpCompressedAck } from '../rcv/tcp-compressed-ack.ts'
import { createTcpSndCheck } from '../snd/tcp-snd-check.ts'
import { createTcpLifecycle } from '../sock/tcp-lifecycle.ts'
import { createTcpOom } from '../sock/tcp-oom.ts'
import { createTcpHandshake } from '../states/tcp-handshake.ts'
import { createTcpStates } from '../states/tcp-states.ts'
import { createAcking, createRecovering } from './tcp-acking.ts'
import type { Base, Tables, TcpDeps } from './tcp-base.ts'
import type { Sending } from './tcp-sending.ts'

/** Both queues of received text, and the life of a socket, which ends with them. */
const createLife = (lower: Base & Tables & Sending) => {
  const coalesce = createTcpCoalesce(lower)
  const ofoQueue = createTcpOfoQueue(lower)
  const rcvQueue = createTcpRcvQueue({ ...lower, coalesce, ofoQueue })
  const purgeWrite = lower.queue.purge
  const purge = (sk: number): void => {
    rcvQueue.purge(sk)
    purgeWrite(sk)
  }
  const fastopenQueue = createFastopenQueue(lower.i32, lower.time)
  const fastopenActive = createFastopenActive(lower)
  const holders = { fastopenQueue, fastopenActive }
  const life = createTcpLifecycle({ ...lower, ...holders, purge, purgeWrite })
  const { trimRcv, trimSnd } = createTcpOom({ ...lower, life, purge })
  return { coalesce, ofoQueue, rcvQueue, ...holders, life, trimRcv, trim: trimSnd }
}
type Life = ReturnType<typeof createLife>

type Compressed = { compressedAck: TcpCompressedAck }

/** Text, from the segment to the queues. */
const createText = (
  lower: Base & Tables & Sending & Life & Compressed,
  { afOps }: TcpDeps,
  fin: (sk: number) => void
) => {
  const { life, trimRcv } = lower
  const prune = createTcpPrune({ ...lower, trim: trimRcv })
  const dataEcn = createTcpDataEcn({ ...lower, afOps })
  const eventData = createTcpEventData({ ...lower, dataEcn })
  const arriving = { prune, dataEcn, eventData }
  const dataQueue = createTcpDataQueue({ ...lower, ...arriving, raise: life.raise, fin })
  const urg = createTcpUrg(lower)
  return { ...arriving, dataQueue, urg }
}

export const createReceiving = (
  base: Base,
  tables: Tables,
  sending: Sending,
  deps: TcpDeps,
  endSending: (sk: number) => void
) => {
  const { afOps, random } = deps
  const sockets = { ...base, ...tables, ...sending }
  const recovering = createRecovering(sockets)
  const paws = createTcpPaws(base)
  const ack = createAcking({ ...sockets, ...recovering, ...paws }, deps)
  const compressedAck = createTcpCompressedAck(sockets)
  const lower = { ...sockets, ...createLife(sockets), compressedAck }
  // text ends with a FIN, by which the states go on that take text: called only after both are made
  const fin = (sk: number): void => states.fin(sk)
  const text = createText(lower, deps, fin)
  const parts = { ...lower, ...text, ...recovering, ack, paws, afOps }
  const sndCheck = createTcpSndCheck(parts)
  const validate = createTcpValidate(parts)
  const fastopen = createTcpFastopen({ ...parts, fastopenKeys: createFastopenKeys(parts) })
  const metrics = createTcpMetricsCache(base.i32, base.time, random())
  const fastopenClient = createFastopenClient({ ...parts, fastopen, metrics })
  const handshake = createTcpHandshake({ ...parts, sndCheck, fastopen, fastopenClient, endSending })
  const tcpInput = createTcpInput({ ...parts, validate, sndCheck })
  const states = createTcpStates({ ...parts, validate, handshake, tcpInput, sndCheck, fastopen })
  const { life, rcvQueue, trim, fastopenActive } = lower
  return {
    ...recovering,
    compressedAck,
    life,
    rcvQueue,
    urg: text.urg,
    trim,
    paws,
    sndCheck,
    tcpInput,
    states,
    handshake,
    fastopen,
    fastopenActive,
    fastopenClient,
    metrics,
  }
}
export type Receiving = ReturnType<typeof createReceiving>
