/**
 * inet_protos: which transport gets a packet for this host, by IP protocol, and who hears of an ICMP error about one.
 * Filled at boot by core/stack.ts and frozen; it is how IP reaches up. Both IP versions use one table each.
 * Linux: net/ipv4/protocol.c, struct net_protocol.
 */

/** Takes the packet over; data is the transport header, NETWORK the IP header. */
type ProtoHandler = (skb: number) => void
/**
 * Hears of an ICMP error: NETWORK is the quoted IP header and TRANSPORT the quoted transport header (at least eight
 * bytes of it). `errno` is what the socket is to be told (0: nothing), `isFatal` whether trying again is of no use, `mtu` what the path
 * takes, or NO_MTU when the error is about something else. The packet stays the caller's. True when somebody here sent
 * the quoted packet.
 */
type ErrorHandler = (skb: number, errno: number, isFatal: boolean, mtu: number) => boolean

/** Goes on with a packet that another CPU has sent here to look for its socket (STAGE_SOCKET); takes it over. */
type ResumeHandler = (skb: number) => void

export type InetProtos = ReturnType<typeof createInetProtos>

export const createInetProtos = () => {
  // filled by core/stack.ts: icmpRcv, icmpErr (ipv4/icmp.ts), tcpRcv, tcpResume (tcp/rcv/tcp-ipv.ts),
  // tcpErr (tcp/sock/tcp-proto.ts), udpRcv, udpErr, udpResume (udp/udp-input.ts)
  const handlers: (ProtoHandler | null)[] = new Array(256).fill(null)
  const errors: ErrorHandler[] = new Array(256).fill(() => false)
  const resumes: ResumeHandler[] = new Array(256).fill((skb: number) => {
    throw new Error(`inet_protos: nobody sends packet ${skb} to another CPU's socket`)
  })
  const inetAddProtocol = (
    protocol: number,
    handler: ProtoHandler,
    error?: ErrorHandler,
    resume?: ResumeHandler
  ): void => {
    if (handlers[protocol] !== null) throw new Error(`inet_protos: ${protocol} is taken`)
    handlers[protocol] = handler
    if (error) errors[protocol] = error
    if (resume) resumes[protocol] = resume
  }
  const freeze = (): void => {
    Object.freeze(handlers)
    Object.freeze(errors)
    Object.freeze(resumes)
  }
  return { handlers, errors, resumes, inetAddProtocol, freeze }
}
