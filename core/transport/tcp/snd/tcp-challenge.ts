/**
 * The challenge ACK, which asks the peer whether a doubtful RST, SYN or ACK was its own. Limited for each
 * connection and, if asked for, for each second. tcp-ack.ts and tcp-validate.ts send it, on the worker.
 * Linux: tcp_send_challenge_ack; RFC 5961 sections 3 to 5 and 7.
 */
import type { Time } from '../../../base/time.ts'
import { TIME_MS } from '../../../base/time.ts'
import type { Arena } from '../../../shm/arena.ts'
import { Mib } from '../../../shm/counters.ts'
import { Sysctl } from '../../../shm/sysctl.ts'
import type { TcpTransmit } from './tcp-transmit.ts'

type TcpChallengeDeps = { arena: Arena; bank: number; time: Time; transmit: TcpTransmit }

export type TcpChallenge = ReturnType<typeof createTcpChallenge>

export const createTcpChallenge = ({ arena, bank, time, transmit }: TcpChallengeDeps) => {
  const { i32, f64, layout } = arena
  const { sysctl } = layout
  let challengeSecond = 0
  let challenges = 0

  /**
   * Answers what may be an attack with an ACK that tells the true peer where we are (RFC 5961); rate-limited. `flags` are
   * those that it has besides.
   */
  const sendChallengeAck = (sk: number, flags = 0): void => {
    if (transmit.answersLimited(sk, Mib.TcpExtTCPACKSkippedChallenge)) return
    const second = (time[TIME_MS] / 1000) | 0
    if (second !== challengeSecond) {
      challengeSecond = second
      challenges = 0
    }
    if (challenges++ >= i32[sysctl + Sysctl.tcp_challenge_ack_limit]) return
    f64[bank + Mib.TcpExtTCPChallengeACK]++
    transmit.sendAckWith(sk, flags)
  }

  return { sendChallengeAck }
}
