/**
 * The persist timer: the window has been closed for long, so it is asked for (tcp-probe0.ts), or the connection is given up. Called
 * by tcp-timer.ts on the worker. Linux: tcp_probe_timer; RFC 9293 section 3.8.6.1.
 */
import { TIME_MS, type Time } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { TcpLifecycle } from '../sock/tcp-lifecycle.ts'
import {
  TP_BACKOFF,
  TP_PACKETS_OUT,
  TP_PROBES_OUT,
  TP_PROBES_TSTAMP,
  TP_SEND_HEAD,
  TP_USER_TIMEOUT,
} from '../sock/tcp-sock.ts'
import type { TcpProbe0 } from './tcp-probe0.ts'
import { rtoMax } from './tcp-sock-times.ts'
import type { TcpWriteTimeout } from './tcp-write-timeout.ts'

export type TcpProbeTimer = ReturnType<typeof createTcpProbeTimer>
type TcpProbeTimerDeps = {
  arena: Arena
  time: Time
  probe0: Pick<TcpProbe0, 'probe0When' | 'sendProbe0'>
  life: Pick<TcpLifecycle, 'isDead'>
} & Pick<TcpWriteTimeout, 'giveUp' | 'orphanRetries' | 'outOfResources'>

export const createTcpProbeTimer = (deps: TcpProbeTimerDeps) => {
  const { time, probe0, life, giveUp, orphanRetries, outOfResources } = deps
  const { i32, layout } = deps.arena
  const { sysctl } = layout

  const probeTimer = (sk: number): void => {
    if (i32[sk + TP_PACKETS_OUT] !== 0 || i32[sk + TP_SEND_HEAD] === 0) {
      i32[sk + TP_PROBES_OUT] = 0
      i32[sk + TP_PROBES_TSTAMP] = 0
      return
    }
    let most = i32[sysctl + Sysctl.tcp_retries2]
    const user = i32[sk + TP_USER_TIMEOUT]
    // the user's time runs whatever the peer answers, as long as its window is closed
    const since = i32[sk + TP_PROBES_TSTAMP]
    if (since === 0) i32[sk + TP_PROBES_TSTAMP] = time[TIME_MS] || -1
    else if (user !== 0 && ((time[TIME_MS] - since) | 0) >= user) {
      giveUp(sk)
      return
    }
    if (life.isDead(sk)) {
      const alive = probe0.probe0When(sk) < rtoMax(i32, sk)
      most = orphanRetries(sk, alive)
      if (!alive && i32[sk + TP_BACKOFF] >= most) {
        giveUp(sk)
        return
      }
      if (outOfResources(sk, true)) return
    }
    if (i32[sk + TP_PROBES_OUT] >= most) giveUp(sk)
    else probe0.sendProbe0(sk)
  }

  return { probeTimer }
}
