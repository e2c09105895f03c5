/** Who hears of frames that have gone, by dev/dev-queue-xmit.ts: the protocol of their sender. */
import { SK_TYPE, SOCK_STREAM } from '../socket/sock.ts'
import type { DgramTstamp } from '../transport/dgram-tstamp.ts'
import type { TcpTstamp } from '../transport/tcp/snd/tcp-tstamp.ts'
import type { Machine } from './machine.ts'

type OfDatagrams = Pick<DgramTstamp, 'keepFrame' | 'frameSent'>

export const createTxTstamp = (
  { arena }: Machine,
  dgram: OfDatagrams,
  { tstampSent }: { tstampSent: TcpTstamp['sent'] }
): OfDatagrams => {
  const { i32 } = arena
  const isStream = (sk: number): boolean => i32[sk + SK_TYPE] === SOCK_STREAM
  return {
    keepFrame: (sk, skb) => (isStream(sk) ? 0 : dgram.keepFrame(sk, skb)),
    frameSent: (sk, what, key, frame) => {
      if (isStream(sk)) tstampSent(sk, what, key)
      else dgram.frameSent(sk, what, key, frame)
    },
  }
}
