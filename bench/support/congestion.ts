/**
 * Streams go by CUBIC on both sides of a comparison, whatever the machine's default is: with another one, and with BBR above all,
 * which paces by a timer, what is compared is the sender.
 */
import { block, check, libc } from '../../workers/os/libc.ts'

export const CONGESTION_CONTROL = 'cubic'

const IPPROTO_TCP = 6
const TCP_CONGESTION = 13

const name = block(CONGESTION_CONTROL.length)
name.bytes.set(new TextEncoder().encode(CONGESTION_CONTROL))

/** Sets it on a socket; those that a listener accepts have it too. */
export const setCongestionControl = (fd: number): void => {
  check(
    libc.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.at, name.bytes.length),
    'TCP_CONGESTION'
  )
}
