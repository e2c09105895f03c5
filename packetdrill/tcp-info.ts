/** TCP_INFO of a socket with the field names of linux/tcp.h and its units, for the code blocks of scripts. */
import type { Time } from '../core/base/time.ts'
import {
  TCPI_OPT_ECN,
  TCPI_OPT_ECN_SEEN,
  TCPI_OPT_SYN_DATA,
  tcpInfoFields,
} from '../core/transport/tcp/sock/tcp-get-info.ts'

/** Names that code blocks know: states, options, and so on (linux/tcp.h, net/tcp_states.h). */
const CONSTANTS: Record<string, number> = {
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN,
  TCPI_OPT_ECN_SEEN,
  TCPI_OPT_SYN_DATA,
}

/** `time` is the stack's. */
export const tcpInfo = (i32: Int32Array, sk: number, time: Time): Map<string, number> => {
  const named = Object.entries(tcpInfoFields(i32, sk, time)).map(
    ([name, value]): [string, number] => [`tcpi_${name}`, value]
  )
  return new Map([...Object.entries(CONSTANTS), ...named])
}
