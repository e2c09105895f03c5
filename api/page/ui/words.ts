/**
 * What the page's words mean, said where they stand (tip.ts). Names are Linux's; where a sentence says what to do about a
 * number, that is on purpose.
 */
export const WORDS: Readonly<Record<string, string>> = {
  // devices and links
  device:
    'A network interface of this stack: a TAP of the machine, a port of a simulated host, a veth, lo.',
  kind: 'What sort of link it is (ip -d link: info_kind). tap is a device of this machine, port leads to a simulated host, veth is a cable between two devices.',
  operstate:
    'Whether frames can pass: UP, DOWN, or UNKNOWN where a device does not say (RFC 2863).',
  address: 'The addresses of this link, with the length of their prefix.',
  mtu: 'The largest IP packet that fits in one frame. What is larger is cut up, or refused with ICMP "packet too big".',
  rx: 'What the device received.',
  tx: 'What the device sent.',
  netns:
    'A network namespace: an own set of devices, routes and sockets. A simulated host is one; softnet exec runs a program in one.',
  // steering
  nic: 'The thread that reads the devices. It does what the hardware of a network card does: it finds the flow of a packet and picks the CPU for it.',
  rss: 'Receive side scaling: a hash of addresses and ports names a bucket of the indirection table, and the bucket names the worker. All packets of a flow get the same one, so they stay in order.',
  bucket:
    'One entry of the RSS indirection table: hash mod table size. Whoever changes it moves all flows of that bucket to another worker at once.',
  hash: "Toeplitz hash of the flow's addresses and ports, with the device's key. Its last bits are the bucket.",
  flow: 'Packets with the same addresses, ports and protocol.',
  received_rps:
    'Packets that another thread put on this backlog: all of them, where one thread reads the devices (RPS).',
  // softnet
  backlog:
    'The queue between the thread that received a packet and the worker that will handle it. A full one drops (CPU_BACKLOG): give the flows to more workers, or raise net.core.netdev_max_backlog.',
  worker:
    'A thread with a whole network stack of its own, and the CPU of the picture: its own backlog, timers and sockets. Nothing on the way of a packet is locked.',
  processed: 'Packets that net_rx_action has taken off the backlog.',
  dropped: 'Packets for this worker that found its backlog full, or no memory.',
  time_squeeze:
    'Turns of net_rx_action that ended by budget or time with packets left. Now and then is fine; steadily means that this worker has more to do than it can.',
  vectors_per_call:
    'Packets handled in one turn. A busy worker takes many at once, and each costs less: a loaded stack gets more efficient, until the turn is full.',
  busy: 'Part of its time that the worker did something. At 100 % it is the bottleneck.',
  sockets: 'Sockets that this worker owns.',
  restarts:
    'How often the worker threw an error and was made anew on the same memory. Should be 0.',
  state: 'What it is doing now.',
  // layers
  ether:
    'Reads the Ethernet header: is the frame for us, and which protocol is in it? (eth_type_trans, ptype)',
  'ip-input':
    'ip_rcv: checks version, length and checksum, then asks the routing table where the packet goes.',
  route:
    'The longest prefix that matches the destination says by which device, over which next hop. (fib_lookup)',
  forward:
    'ip_forward: takes one from the TTL, checks the MTU, and sends the packet on. At TTL 0 it dies, and the sender is told (ICMP time exceeded): that is what traceroute shows.',
  local:
    'The packet is for an address of ours: whole again if it came in fragments, it goes to its protocol.',
  icmp: 'Errors and echoes: ping, "unreachable", "too big", "time exceeded". For IPv6 also neighbour discovery.',
  udp: 'Datagrams: found by port, put into the queue of the socket.',
  tcp: 'Connections: order, acknowledgement, retransmission, congestion control.',
  socket: 'Where an application reads and writes.',
  'ip-output':
    'Gives the packet its IP header, cuts it into fragments if it must, and hands it to the neighbour. (ip_output)',
  neighbour:
    'Which MAC address has the next hop? Found by ARP (IPv4) or neighbour discovery (IPv6); packets wait here for the answer.',
  qdisc:
    'The queue before the device. netem, which makes a bad network out of a good one, sits here.',
  netem:
    'A queue that impairs on purpose: delay, jitter, loss, duplicates, reordering. Tests what TCP does on a bad network.',
  // netem
  loss: 'Percent of packets that are thrown away.',
  delay: 'How long each packet is held up, one way.',
  jitter: 'By how much the delay varies, up and down. Packets may overtake one another.',
  duplicate: 'Percent of packets that are sent twice.',
  reorder:
    'Percent of packets that are sent at once, so that they overtake those held up. Needs a delay.',
  corrupt: 'Percent of packets with one bit turned. Checksums find them.',
  // drops
  drop: 'A packet that died unused. Each has one reason, named as in the Linux kernel.',
  reason: 'Why the packet died: the names of the Linux kernel (SKB_DROP_REASON).',
  place: 'Where on its way it died.',
  // capture
  time: 'When the frame went by, on the clock of this machine.',
  direction: 'in: received; out: sent.',
  length: 'Octets of the frame.',
  frame: 'What the frame says, header by header.',
  bpf: 'A filter as tcpdump takes it: tcp port 80, icmp, host 10.1.0.10 and not arp. It runs as BPF beside the packets.',
  // routes
  dst: 'Destination: packets whose address begins with this prefix take this route. The longest match wins.',
  gateway: 'The next router on the way. Without one, the destination is on this very link.',
  dev: 'The device that packets leave by.',
  protocol:
    'Who entered the route: kernel (it follows from an address), static or boot (a person), a routing daemon.',
  scope: 'How far it reaches: link is on this wire, global anywhere, host is this machine.',
  metric: 'Of two routes to the same prefix, the one with the lower metric is taken.',
  prefsrc: 'The source address that our own packets get on this route.',
  table: 'The routing table it stands in; rules say which table is looked at (ip rule).',
  type: 'unicast goes on; local is for us; blackhole, unreachable and prohibit refuse.',
  // neighbours
  lladdr: 'Link-layer (MAC) address.',
  nud: 'State of neighbour unreachability detection (RFC 4861): INCOMPLETE asked, no answer yet; REACHABLE heard of lately; STALE works, but not confirmed of late; DELAY used while stale, waits for a sign; PROBE asks again; FAILED no answer.',
  confirmed: 'Seconds since something confirmed that it can be reached.',
  used: 'Seconds since it was last used.',
  probes: 'Questions sent without an answer.',
  // sockets
  tcpstate: 'State of the TCP connection (RFC 9293), as ss writes it.',
  local_end: 'Address and port of our end.',
  peer: 'Address and port of the other end.',
  recv_q:
    'Bytes received that the application has not read. Steadily high: the application is slow.',
  send_q: 'Bytes written that the peer has not acknowledged.',
  cwnd: 'Congestion window: segments that may be in flight. Grows while acknowledgements come, falls when something is lost.',
  ssthresh:
    'Slow start threshold: below it the window doubles with every round trip, above it grows slowly.',
  rtt: 'Smoothed round trip time, in milliseconds.',
  minrtt: 'Smallest round trip time of late: the way without queues.',
  rto: 'Retransmission timeout: how long to wait for an acknowledgement before sending again (RFC 6298), in milliseconds.',
  retrans: 'Segments sent again: at the moment / in all.',
  lost: 'Segments that are thought lost at the moment.',
  unacked: 'Segments in flight.',
  delivery_rate: 'How fast data arrives at the peer, as measured.',
  cong: 'The congestion control that decides on cwnd: cubic, reno, bbr.',
  timer: 'What the socket waits for, and how long still.',
  skmem: 'Packet memory that the socket holds.',
}

const REASONS: Readonly<Record<string, string>> = {
  NOT_SPECIFIED: 'No reason of its own: for example multicast that nobody here listens to.',
  NO_SOCKET: 'Nobody listens on this port. The sender is told (port unreachable, or a reset).',
  CPU_BACKLOG: 'The backlog of the worker was full: more came than it could handle.',
  NOMEM: 'No packet memory left. GET /v1/memory says who holds it.',
  WORKER_RESTART: 'It was held by a worker that was made anew.',
  OTHERHOST: "The frame is for another machine's MAC address.",
  UNHANDLED_PROTO: 'No protocol here reads this kind of frame.',
  IP_INHDR: 'The IP header is broken.',
  IP_CSUM: 'The checksum of the IP header is wrong.',
  IP_RPFILTER: 'The way back to the sender leads elsewhere (rp_filter).',
  IP_INNOROUTES: 'No route leads to the destination.',
  IP_OUTNOROUTES: 'Our own packet found no route.',
  IP_INADDRERRORS: 'Not for us, and we do not forward.',
  TTL_EXCEEDED: 'It has passed too many routers: a loop, or traceroute.',
  PKT_TOO_BIG: 'Larger than the MTU of the next link, and must not be cut up. The sender is told.',
  NEIGH_FAILED:
    'The next hop does not answer ARP or neighbour discovery: it is down, or on another wire.',
  NEIGH_QUEUEFULL: 'Too many packets wait for the MAC address of one next hop.',
  QDISC_DROP: 'The queue before the device was full: the device is slower than what is sent.',
  LINK_IMPAIRED: 'netem threw it away, as it was told to.',
  DEV_READY: 'The device was down.',
  SOCKET_RCVBUFF: 'The queue of the socket was full: the application reads too slowly.',
  TCP_OLD_DATA: 'Data that was there already: the peer sent it again.',
  TCP_CSUM: 'The TCP checksum is wrong: the segment was changed on its way.',
  UDP_CSUM: 'The UDP checksum is wrong: the datagram was changed on its way.',
  TCP_LISTEN_OVERFLOW: 'The listener has as many new connections as its backlog allows.',
  TCP_ZEROWINDOW: 'Data for a receive window of nothing.',
}
export const reasonText = (reason: string): string =>
  REASONS[reason] ?? `In the kernel: SKB_DROP_REASON_${reason}.`
