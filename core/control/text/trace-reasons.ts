/**
 * What is said of a traced packet that dies: in which function of Linux's name that is, by the stage it was at last, and what
 * would have let it pass.
 */

/** The function behind a stage, where packets of that family die before the next stage. */
const PLACES: Readonly<Record<string, string>> = {
  receive: 'netif_receive_skb',
  prerouting: 'ip_rcv_finish',
  route: 'ip_route_input',
  input: 'ip_local_deliver_finish',
  forward: 'ip_forward_finish',
  output: 'ip_local_out',
  postrouting: 'ip_finish_output',
  neigh: 'neigh_resolve_output',
  hold: 'neigh_resolve_output',
  transmit: 'dev_hard_start_xmit',
  resume: 'process_backlog',
}
/** Reasons that only one function gives. */
const BY_REASON: Readonly<Record<string, string>> = {
  OTHERHOST: 'ip_rcv',
  IP_CSUM: 'ip_rcv',
  IP_INHDR: 'ip_rcv',
  TTL_EXCEEDED: 'ip_forward',
  IP_RPFILTER: 'fib_validate_source',
  IP_LOCAL_SOURCE: 'fib_validate_source',
  IP_INVALID_SOURCE: 'ip_route_input_slow',
  IP_INVALID_DEST: 'ip_route_input_slow',
  IP_LOCALNET: 'ip_route_input_slow',
  IP_INNOROUTES: 'ip_error',
  IP_INADDRERRORS: 'ip_error',
  IP_NOPROTO: 'ip_protocol_deliver_rcu',
  UNHANDLED_PROTO: 'netif_receive_skb',
  NETFILTER_DROP: 'nf_hook_slow',
  NEIGH_FAILED: 'neigh_invalidate',
  NEIGH_QUEUEFULL: 'neigh_event_send',
  QDISC_DROP: 'dev_queue_xmit',
  DEV_READY: 'dev_queue_xmit',
  CPU_BACKLOG: 'enqueue_to_backlog',
  NO_SOCKET: 'inet_lookup',
  UDP_CSUM: 'udp_rcv',
  TCP_CSUM: 'tcp_rcv',
  ICMP_CSUM: 'icmp_rcv',
  PKT_TOO_BIG: 'ip_forward',
  LINK_IMPAIRED: 'netem_enqueue',
  ARP_INVALID: 'arp_rcv',
  FRAG_REASM_TIMEOUT: 'ip_expire',
  DUP_FRAG: 'ip_frag_queue',
}

/** IPv6's functions have IPv4's names, with a six. */
export const dropPlace = (reason: string, lastStage: string, isV6: boolean): string => {
  const place = BY_REASON[reason] ?? PLACES[lastStage] ?? 'netif_receive_skb'
  return isV6 ? place.replace(/^ip_/, 'ip6_').replace(/^icmp_/, 'icmpv6_') : place
}

const REMEDIES: Readonly<Record<string, string>> = {
  OTHERHOST: "the MAC address of the device as the frame's destination",
  IP_CSUM: 'a right checksum in the IP header',
  IP_INHDR: 'a header as RFC 791 has it',
  PKT_TOO_SMALL: 'as many octets as the headers say',
  TTL_EXCEEDED: 'a TTL of at least 2',
  PKT_TOO_BIG: 'no DF, or a larger MTU on the way out',
  IP_RPFILTER: 'a route back to the sender by this device, or rp_filter 0 (2: by any device)',
  IP_LOCAL_SOURCE: 'a source that is not an address of this host, or accept_local 1',
  IP_INVALID_SOURCE: 'a source that is an address of one host',
  IP_INVALID_DEST: 'a destination that is an address',
  IP_LOCALNET: 'an address outside 127.0.0.0/8, or route_localnet 1',
  IP_INNOROUTES: 'a route to the destination',
  IP_INADDRERRORS: 'an address of this host as the destination, or forwarding 1 on the device',
  IP_NOPROTO: 'a protocol that somebody here speaks',
  UNHANDLED_PROTO: 'an ethertype that somebody here speaks: IPv4, IPv6, ARP',
  NETFILTER_DROP: 'a rule that accepts it',
  NEIGH_FAILED: 'a neighbour that answers, or an entry made with `ip neigh add`',
  DEV_READY: 'the device up',
  NO_SOCKET: 'a socket on that port and address',
  UDP_CSUM: 'a right UDP checksum',
  TCP_CSUM: 'a right TCP checksum',
  ICMP_CSUM: 'a right ICMP checksum',
  IPV6DISABLED: 'disable_ipv6 0 on the device',
  UNICAST_IN_L2_MULTICAST: "the device's own MAC address, or drop_unicast_in_l2_multicast 0",
  QDISC_DROP: 'room in the queue of the device',
  LINK_IMPAIRED: 'luck, or less loss on the link (`tc qdisc`)',
}

/** '' where nobody knows better than the reason's name. */
export const dropRemedy = (reason: string): string => REMEDIES[reason] ?? ''
