/**
 * inet_protos: which transport gets a packet for this host, by IP protocol, who hears of an ICMP error about one, and which
 * raw and ping sockets listen beside the transports.
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

/** By which workers know of the socket that sent a quoted packet (transport/owned-flows.ts), as ErrorHandler has it; 0: none. */
type OwnerOf = (skb: number) => number

/** Goes on with a packet that another CPU has sent here to look for its socket (STAGE_SOCKET); takes it over. */
type ResumeHandler = (skb: number) => void

/**
 * What listens beside the transports. `raws` has the first raw socket of each protocol, or 0, which is all that a packet
 * costs without any; `rawDeliver` and `rawErr` are asked where there is one (transport/raw/raw-input.ts), `pingRcv` and
 * `pingErr` about echo (transport/ping/ping-input.ts).
 */
export type InetListeners = {
  readonly raws: Int32Array
  /** Gives raw sockets their copies of a packet, data at its transport header; true when there was one. */
  rawDeliver: (skb: number, protocol: number) => boolean
  /** As ErrorHandler, for each raw socket that may have sent the packet. */
  rawErr: (skb: number, protocol: number, errno: number, isFatal: boolean, mtu: number) => void
  /** An echo reply, data at its ICMP header, for whoever asked here; takes it over. */
  pingRcv: (skb: number) => void
  pingErr: ErrorHandler
  pingOwner: OwnerOf
  /** Passes an error on to the CPU that has the socket of this hash, where this one has none: true, and the packet is gone. */
  handOver: (skb: number, hash: number) => boolean
}

export type InetProtos = ReturnType<typeof createInetProtos>

export const createInetProtos = () => {
  // filled by core/stack.ts: icmpRcv, icmpErr (ipv4/icmp/icmp.ts), tcpRcv, tcpResume (tcp/rcv/tcp-ipv.ts),
  // tcpErr (tcp/sock/tcp-proto.ts), udpRcv, udpErr, udpResume (udp/udp-input.ts)
  const handlers: (ProtoHandler | null)[] = new Array(256).fill(null)
  const errors: ErrorHandler[] = new Array(256).fill(() => false)
  const owners: OwnerOf[] = new Array(256).fill(() => 0)
  const resumes: ResumeHandler[] = new Array(256).fill((skb: number) => {
    throw new Error(`inet_protos: nobody sends packet ${skb} to another CPU's socket`)
  })
  const inetAddProtocol = (
    protocol: number,
    handler: ProtoHandler,
    error?: ErrorHandler,
    resume?: ResumeHandler,
    owner?: OwnerOf
  ): void => {
    if (isFrozen) throw new Error('inet_protos: filled at boot alone')
    if (handlers[protocol] !== null) throw new Error(`inet_protos: ${protocol} is taken`)
    handlers[protocol] = handler
    if (error) errors[protocol] = error
    if (resume) resumes[protocol] = resume
    if (owner) owners[protocol] = owner
  }
  const listeners: InetListeners = {
    raws: new Int32Array(256),
    rawDeliver: () => false,
    rawErr: () => {},
    pingRcv: () => {},
    pingErr: () => false,
    pingOwner: () => 0,
    handOver: () => false,
  }
  /** Names who listens beside the transports; at boot. */
  const listen = (to: Partial<InetListeners>): void => void Object.assign(listeners, to)
  /** The engine keeps the elements of frozen arrays in a hash table: 30 ns for each packet. */
  let isFrozen = false
  const freeze = (): void => {
    isFrozen = true
    Object.freeze(listeners)
  }
  return { handlers, errors, owners, resumes, listeners, inetAddProtocol, listen, freeze }
}
