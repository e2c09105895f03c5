/**
 * The parts of TCP that send: the write queue, what may go and when, segments. Made by tcp.ts over tcp-base.ts.
 */
import { createTcpRate } from '../ack/tcp-rate.ts'
import { createTcpCwndValidate } from '../cong/tcp-cwnd-validate.ts'
import { createTcpAccecnOption } from '../ecn/tcp-accecn-option.ts'
import { createTcpSynack } from '../listen/tcp-synack.ts'
import { createTcpWindow } from '../rcv/tcp-window.ts'
import { createTcpChallenge } from '../snd/tcp-challenge.ts'
import { createTcpChrono } from '../snd/tcp-chrono.ts'
import { createTcpMss } from '../snd/tcp-mss.ts'
import { createTcpMtuProbe } from '../snd/tcp-mtu-probe.ts'
import { createTcpNagle } from '../snd/tcp-nagle.ts'
import { createTcpOutput } from '../snd/tcp-output.ts'
import { createTcpPacing } from '../snd/tcp-pacing.ts'
import { createTcpReply } from '../snd/tcp-reply.ts'
import { createTcpRetransmit } from '../snd/tcp-retransmit.ts'
import { createTcpTransmit } from '../snd/tcp-transmit.ts'
import { createTcpTsq } from '../snd/tcp-tsq.ts'
import { createTcpWriteQueue } from '../snd/tcp-write-queue.ts'
import { createTcpMd5 } from '../sock/tcp-md5.ts'
import { createTcpMem } from '../sock/tcp-mem.ts'
import { createTcpLossProbe } from '../timer/tcp-loss-probe.ts'
import { createTcpProbe0 } from '../timer/tcp-probe0.ts'
import { createTcpTimers } from '../timer/tcp-timers.ts'
import { createTcpXmitTimer } from '../timer/tcp-xmit-timer.ts'
import type { Base, TcpDeps } from './tcp-base.ts'

export const createSending = (base: Base, deps: TcpDeps) => {
  const { i32, skbs, time, consume } = base
  const { wheel, slab, afOps, skDst, gsoMax, loadAddrs } = deps
  const mem = createTcpMem(base.arena, skbs)
  const timers = createTcpTimers(i32, time, wheel)
  const window = createTcpWindow({ ...base, mem })
  const pacing = createTcpPacing({ ...base, timers })
  const md5 = createTcpMd5({ ...base, afOps })
  const accecn = createTcpAccecnOption(base.i32, base.u8, base.sysctl, time)
  const transmit = createTcpTransmit({ ...base, timers, pacing, window, afOps, md5, accecn })
  const queue = createTcpWriteQueue(i32, base.u8, skbs, mem, consume)
  const mss = createTcpMss({ ...base, gsoMax, afOps, skDst }, transmit)
  const mtup = createTcpMtuProbe({ ...base, mss, queue })
  const tsq = createTcpTsq({ ...base, slab, mem })
  const rate = createTcpRate(i32, time)
  const chrono = createTcpChrono(i32, time)
  const xmitTimer = createTcpXmitTimer({ ...base, queue, timers })
  const sending = { mem, tsq, queue, mss, timers, transmit, rate, xmitTimer, chrono, pacing, mtup }
  const nagle = createTcpNagle({ ...base, queue })
  const cwndValidate = createTcpCwndValidate({ ...base, chrono })
  const retransmission = createTcpRetransmit({ ...base, ...sending })
  const output = createTcpOutput({ ...base, ...sending, nagle, cwndValidate, retransmission })
  const lossProbe = createTcpLossProbe({ ...base, ...sending, output, retransmission })
  const probe0 = createTcpProbe0({ ...base, ...sending, output })
  const synack = createTcpSynack({ ...base, transmit })
  const { sendChallengeAck } = createTcpChallenge({ ...base, transmit })
  const { sendReset } = createTcpReply({ ...base, afOps, loadAddrs, md5 })
  const writing = { cwndValidate, retransmission, output, lossProbe, probe0 }
  return { ...sending, ...writing, md5, window, synack, sendChallengeAck, sendReset }
}
export type Sending = ReturnType<typeof createSending>
