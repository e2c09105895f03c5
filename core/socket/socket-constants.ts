/**
 * The numbers of the BSD socket interface: levels, options, flags of calls, ways to shut down, and the bits of SK_REUSE.
 * Linux: asm-generic/socket.h, linux/socket.h, linux/in.h, linux/in6.h, linux/tcp.h.
 */

// Levels; IPPROTO_TCP (wire/ipproto.ts) is one too.
export const IPPROTO_IP = 0
export const IPPROTO_IPV6 = 41
export const SOL_ICMPV6 = 58
export const SOL_RAW = 255

export const SHUT_RD = 0
export const SHUT_WR = 1
export const SHUT_RDWR = 2

export const SOL_SOCKET = 1
export const SO_DEBUG = 1
export const SO_DONTROUTE = 5
export const SO_REUSEADDR = 2
export const SO_TYPE = 3
export const SO_ERROR = 4
export const SO_BROADCAST = 6
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_KEEPALIVE = 9
export const SO_OOBINLINE = 10
/** The value is the seconds, or -1 for off. */
export const SO_LINGER = 13
/** UDP's datagrams over IPv4 have no checksum. */
export const SO_NO_CHECK = 11
/** TC_PRIO_*, which IP_TOS sets as well; no queue here heeds it. */
export const SO_PRIORITY = 12
/** Taken, and nothing else since Linux 2.2. */
export const SO_BSDCOMPAT = 14
export const SO_REUSEPORT = 15
/** Octets that have to be there before a stream is said to be readable. */
export const SO_RCVLOWAT = 18
/** One octet, always. */
export const SO_SNDLOWAT = 19
export const SO_BINDTODEVICE = 25
/** A name option: the instructions, struct sock_filter each. Read back it is SO_GET_FILTER, the same number. */
export const SO_ATTACH_FILTER = 26
export const SO_DETACH_FILTER = 27
export const SO_ACCEPTCONN = 30
/** SO_SNDBUF and SO_RCVBUF without the bound of wmem_max and rmem_max. */
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_MARK = 36
/** Beside each packet when it came, struct timeval or timespec; the numbers that are new change nothing where time_t has 64 bits. */
export const SO_TIMESTAMP = 29
export const SO_TIMESTAMPNS = 35
export const SO_TIMESTAMP_NEW = 63
export const SO_TIMESTAMPNS_NEW = 64
/** SOF_TIMESTAMPING_* bits. */
export const SO_TIMESTAMPING = 37
export const SO_PROTOCOL = 38
export const SO_DOMAIN = 39
/** Octets a second (uint32). */
export const SO_MAX_PACING_RATE = 47
/** Beside each packet how many were lost before it. */
export const SO_RXQ_OVFL = 40
/** Where MSG_PEEK begins, which moves on with what it tells; -1: it does not. */
export const SO_PEEK_OFF = 42
export const SO_LOCK_FILTER = 44
export const SO_ZEROCOPY = 60
export const SO_BINDTOIFINDEX = 62
export const SO_RCVMARK = 75
/** What memory it holds and may hold; a name option, 36 octets. */
export const SO_MEMINFO = 55

/** What waits in the error queue is told by POLLPRI as well. */
export const SO_SELECT_ERR_QUEUE = 45
/** A name option, eight octets. */
export const SO_COOKIE = 57

// Flags of recvmsg and sendmsg.
export const MSG_OOB = 1
export const MSG_PEEK = 2
/** To hosts of a link alone, as SO_DONTROUTE of a socket has it. */
export const MSG_DONTROUTE = 4
/** A stream's bytes are taken and thrown away. */
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
/** What goes with it follows at once. */
export const MSG_EOR = 0x80
export const MSG_MORE = 0x8000
/** Its octets are to be used where they lie: who is told when they may be used again is told (SO_ZEROCOPY). */
export const MSG_ZEROCOPY = 0x4000000
/** What is told beside the data (errqueue.ts). */
export const MSG_ERRQUEUE = 0x2000
/** Connects, with the text in the SYN (RFC 7413). */
export const MSG_FASTOPEN = 0x20000000

// What poll(2) tells.
export const POLLIN = 1
export const POLLPRI = 2
export const POLLOUT = 4
export const POLLERR = 8
export const POLLHUP = 0x10
export const POLLRDHUP = 0x2000

/** What a datagram socket that has room to send is ready for. */
export const POLLRDNORM = 0x40
export const POLLWRNORM = 0x100
export const POLLWRBAND = 0x200

// Requests of ioctl(2).
export const SIOCINQ = 0x541b
export const SIOCOUTQ = 0x5411
export const SIOCOUTQNSD = 0x894b

// SO_TIMESTAMPING: what to take the time of, and how to tell it.
export const SOF_TIMESTAMPING_TX_SOFTWARE = 2
/** Packets are stamped as they come; SOFTWARE: what is stamped is told. */
export const SOF_TIMESTAMPING_RX_SOFTWARE = 8
export const SOF_TIMESTAMPING_SOFTWARE = 0x10
/** ee_data says which octet. */
export const SOF_TIMESTAMPING_OPT_ID = 0x80
export const SOF_TIMESTAMPING_TX_SCHED = 0x100
export const SOF_TIMESTAMPING_TX_ACK = 0x200
/** Of what has its packet the control messages are told that received ones have. */
export const SOF_TIMESTAMPING_OPT_CMSG = 0x400
export const SOF_TIMESTAMPING_OPT_TSONLY = 0x800
/** Octets count from what is written, not from what is acknowledged. */
export const SOF_TIMESTAMPING_OPT_ID_TCP = 0x10000
/** Those that there are. */
export const SOF_TIMESTAMPING_MASK =
  SOF_TIMESTAMPING_TX_SOFTWARE |
  SOF_TIMESTAMPING_RX_SOFTWARE |
  SOF_TIMESTAMPING_SOFTWARE |
  SOF_TIMESTAMPING_OPT_ID |
  SOF_TIMESTAMPING_TX_SCHED |
  SOF_TIMESTAMPING_TX_ACK |
  SOF_TIMESTAMPING_OPT_TSONLY |
  SOF_TIMESTAMPING_OPT_ID_TCP

/** Of what is received. */
export const SOF_TIMESTAMPING_RX = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE
/** Of sockets of datagrams, which nobody acknowledges. */
export const SOF_TIMESTAMPING_DGRAM =
  SOF_TIMESTAMPING_TX_SOFTWARE |
  SOF_TIMESTAMPING_RX |
  SOF_TIMESTAMPING_OPT_ID |
  SOF_TIMESTAMPING_TX_SCHED |
  SOF_TIMESTAMPING_OPT_CMSG |
  SOF_TIMESTAMPING_OPT_TSONLY
/** What is stamped of a datagram, and of a call that sends, as its control message has it (SOF_TIMESTAMPING_TX_RECORD_MASK). */
export const SOF_TIMESTAMPING_TX_DGRAM = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED
export const SOF_TIMESTAMPING_TX_RECORD_MASK =
  1 | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK

// Where what is on the error queue comes from, and what it says (linux/errqueue.h).
export const SO_EE_ORIGIN_LOCAL = 1
export const SO_EE_ORIGIN_ICMP = 2
export const SO_EE_ORIGIN_ICMP6 = 3
export const SO_EE_ORIGIN_TIMESTAMPING = 4
export const SO_EE_ORIGIN_ZEROCOPY = 5
export const SO_EE_CODE_ZEROCOPY_COPIED = 1
// What a time there is of (ee_info).
export const SCM_TSTAMP_SND = 0
export const SCM_TSTAMP_SCHED = 1
export const SCM_TSTAMP_ACK = 2

export const IP_TOS = 1
export const IP_TTL = 2
export const IP_OPTIONS = 4
/** What is sent has its IP header. */
export const IP_HDRINCL = 3
export const IP_RECVOPTS = 6
export const IP_RETOPTS = 7
export const IP_PKTINFO = 8
/** A name option, of streams alone: what they keep of their packets, as control messages. */
export const IP_PKTOPTIONS = 9
export const IP_MTU_DISCOVER = 10
export const IP_RECVERR = 11
export const IP_RECVTTL = 12
export const IP_RECVTOS = 13
/** The path's MTU, of a socket that has a peer. */
export const IP_MTU = 14
export const IP_FREEBIND = 15
export const IP_TRANSPARENT = 19
/** Its control message has the same number. */
export const IP_RECVORIGDSTADDR = 20
/** A stream hears what has come through no more routers than that (RFC 5082). */
export const IP_MINTTL = 21
export const IP_BIND_ADDRESS_NO_PORT = 24
/** Its control message has the same number. */
export const IP_RECVFRAGSIZE = 25
export const IP_MULTICAST_IF = 32
export const IP_MULTICAST_TTL = 33
export const IP_MULTICAST_LOOP = 34
export const IP_ADD_MEMBERSHIP = 35
export const IP_DROP_MEMBERSHIP = 36
export const IP_UNBLOCK_SOURCE = 37
export const IP_BLOCK_SOURCE = 38
export const IP_ADD_SOURCE_MEMBERSHIP = 39
export const IP_DROP_SOURCE_MEMBERSHIP = 40
/** Of both families (RFC 3678 section 5). */
export const MCAST_JOIN_GROUP = 42
export const MCAST_BLOCK_SOURCE = 43
export const MCAST_UNBLOCK_SOURCE = 44
export const MCAST_LEAVE_GROUP = 45
export const MCAST_JOIN_SOURCE_GROUP = 46
export const MCAST_LEAVE_SOURCE_GROUP = 47
export const IP_MULTICAST_ALL = 49
/** An ifindex in network order, as IPv6's. */
export const IP_UNICAST_IF = 50
export const IP_LOCAL_PORT_RANGE = 51
export const IP_PROTOCOL = 52
/** As IP_PKTOPTIONS. */
export const IPV6_2292PKTOPTIONS = 6
/** Where the checksum of what is sent and received stands, an even number of octets; -1: it has none. */
export const IPV6_CHECKSUM = 7
/** Traffic class and flow label together, in network order; its control message has the same number, of sent ones as well. */
export const IPV6_FLOWINFO = 11
export const IPV6_UNICAST_HOPS = 16
export const IPV6_MULTICAST_IF = 17
export const IPV6_MULTICAST_HOPS = 18
export const IPV6_MULTICAST_LOOP = 19
export const IPV6_JOIN_GROUP = 20
export const IPV6_LEAVE_GROUP = 21
export const IPV6_MTU_DISCOVER = 23
export const IPV6_MTU = 24
export const IPV6_RECVERR = 25
export const IPV6_MULTICAST_ALL = 29
export const IPV6_V6ONLY = 26
/** The sin6_flowinfo of addresses says the flow label of what is sent there. */
export const IPV6_FLOWINFO_SEND = 33
export const IPV6_HDRINCL = 36
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50
export const IPV6_RECVHOPLIMIT = 51
export const IPV6_HOPLIMIT = 52
export const IPV6_RECVPATHMTU = 60
/** Read as an option and as the control message of IPV6_RECVPATHMTU (struct ip6_mtuinfo). */
export const IPV6_PATHMTU = 61
export const IPV6_DONTFRAG = 62
export const IPV6_RECVTCLASS = 66
export const IPV6_TCLASS = 67
/** Packets without a flow label are given one, which the socket says rather than the sysctl. */
export const IPV6_AUTOFLOWLABEL = 70
/** IPV6_PREFER_SRC_* */
export const IPV6_ADDR_PREFERENCES = 72
export const IPV6_MINHOPCOUNT = 73
/** Its control message has the same number. */
export const IPV6_RECVORIGDSTADDR = 74
export const IPV6_TRANSPARENT = 75
export const IPV6_UNICAST_IF = 76
/** Its control message has the same number. */
export const IPV6_RECVFRAGSIZE = 77
export const IPV6_FREEBIND = 78

/** Bits of the ICMP types that a raw socket does not want; of ICMPv6 a name option of eight words. */
export const ICMP_FILTER = 1
export const ICMPV6_FILTER = 1

export const TCP_NODELAY = 1
export const TCP_CORK = 3
export const TCP_KEEPIDLE = 4
export const TCP_KEEPINTVL = 5
export const TCP_KEEPCNT = 6
export const TCP_QUICKACK = 12
/** A name option (TCP_CA_NAME_MAX octets). */
export const TCP_CONGESTION = 13
export const TCP_USER_TIMEOUT = 18
export const TCP_FASTOPEN = 23
/** Seconds. */
export const TCP_DEFER_ACCEPT = 9
/** As tcp-md5.ts lays it out; it is TCP_MD5SIG_EXT as well, as a prefix is part of it. */
export const TCP_MD5SIG = 14
export const TCP_NOTSENT_LOWAT = 25
export const TCP_FASTOPEN_CONNECT = 30
/** A name option (16 octets, or 32). */
export const TCP_FASTOPEN_KEY = 33
export const TCP_FASTOPEN_NO_COOKIE = 34
/** Beside what is read, how much there is still (its control message has the same number). */
export const TCP_INQ = 36

/** Level IPPROTO_UDP: calls add to one datagram until it is turned off. */
export const UDP_CORK = 1
/** What a call sends is cut into datagrams of so many octets; its control message has the same number. */
export const UDP_SEGMENT = 103
/** Datagrams of one sender that came together are read together; beside them is how long each is. */
export const UDP_GRO = 104
/** Most that a call's octets are cut into. */
export const UDP_MAX_SEGMENTS = 128

// Bits of SK_REUSE.
export const REUSE_ADDR = 1
export const REUSE_PORT = 2
export const V6ONLY = 4
/** It may be bound to an address that is nobody's here. */
export const FREEBIND = 8
/** It may send to broadcast addresses. */
export const BROADCAST = 16
/** Its filter is not to be changed any more. */
export const FILTER_LOCKED = 32
/** A stream of IPv6 whose peer is spoken to by IPv4 (ipv6_mapped). */
export const MAPPED = 64

// Bits of SK_INET_FLAGS.
/** IP_BIND_ADDRESS_NO_PORT: bind() leaves the port to connect(). */
export const INET_NO_PORT = 1
/** IPV6_DONTFRAG */
export const INET_DONTFRAG = 2
/** IP_RECVERR: errors wait in the error queue; IPV6_RECVERR is that shifted by the family's index. */
export const INET_RECVERR = 4
/** IP_TRANSPARENT, IPV6_TRANSPARENT: its address may be anybody's, and it sends from it. */
export const INET_TRANSPARENT = 16
/** SO_NO_CHECK */
export const INET_NO_CHECK = 32
/** SO_SELECT_ERR_QUEUE */
export const INET_SELECT_ERR = 64
/** UDP_GRO */
export const INET_UDP_GRO = 128
// SO_KEEPALIVE and SO_OOBINLINE of sockets without connections, and SO_DEBUG: kept, and nothing comes of it, as in Linux.
export const INET_KEEPALIVE = 256
export const INET_OOBINLINE = 512
export const INET_DEBUG = 1024
/** UDP_CORK; and there is a packet that is not whole (transport/dgram-cork.ts). */
export const INET_UDP_CORK = 2048
export const INET_PENDING = 4096
/** SO_DONTROUTE */
export const INET_LOCALROUTE = 8192
/** IPV6_FLOWINFO_SEND; IPV6_AUTOFLOWLABEL, and whether it was said. */
export const INET_SNDFLOW = 16384
export const INET_AUTOFLOWLABEL = 32768
export const INET_AUTOFLOWLABEL_SET = 65536

// Bits of SK_CMSG: what a socket wants to be told beside each packet (socket/msg/ip-cmsg.ts).
export const CMSG_PKTINFO = 1
export const CMSG_TTL = 2
export const CMSG_TOS = 4
export const CMSG_OPTIONS = 8
export const CMSG_RETOPTS = 16
export const CMSG_ORIGDST = 32
export const CMSG_FRAGSIZE = 64
export const CMSG_PKTINFO6 = 256
export const CMSG_HOPLIMIT6 = 512
export const CMSG_TCLASS6 = 1024
export const CMSG_ORIGDST6 = 2048
export const CMSG_FRAGSIZE6 = 4096
export const CMSG_FLOWINFO6 = 8192
export const CMSG_PATHMTU6 = 16384
export const CMSG_OVFL = 0x10000
export const CMSG_MARK = 0x20000
export const CMSG_INQ = 0x40000
/** SOCK_RCVTSTAMP, SOCK_RCVTSTAMPNS, SOCK_TSTAMP_NEW */
export const CMSG_TIME = 0x80000
export const CMSG_TIME_NS = 0x100000
export const CMSG_TIME_NEW = 0x200000
/** SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE */
export const CMSG_STAMP = 0x400000
export const CMSG_STAMPING = 0x800000
/** Its reads mind SO_PEEK_OFF. */
export const CMSG_PEEK_OFF = 0x1000000

// Words of what the control messages of a call that sends ask for (socket/msg/ipcm.ts).
/** 1 while there is anything. */
export const IPCM_SET = 0
/** A device, or 0; a hop limit, or 0; a TOS and a mark, one more each, or 0; 1: not to be cut, 2: to be cut. */
export const IPCM_OIF = 1
export const IPCM_HOPS = 2
export const IPCM_TOS = 3
export const IPCM_MARK_SET = 4
export const IPCM_MARK = 5
export const IPCM_DONTFRAG = 6
/** UDP_SEGMENT, one more, or 0. */
export const IPCM_SEGMENT = 7
/** SOF_TIMESTAMPING_TX_* bits, one more, or 0. */
export const IPCM_TSFLAGS = 8
/** Four words, or zeros. */
export const IPCM_SADDR = 9
/** The call's MSG_DONTROUTE. */
export const IPCM_DONTROUTE = 13
/** The flow label that the call's address or the connection says, or 0; that of IPV6_FLOWINFO, one more, or 0. */
export const IPCM_LABEL = 14
export const IPCM_FLOWINFO = 15
export const IPCM_WORDS = 16

// IPV6_ADDR_PREFERENCES (RFC 5014): the first three are kept in SK_SRC_PREFS, the others say that they are not wanted.
export const IPV6_PREFER_SRC_TMP = 1
export const IPV6_PREFER_SRC_PUBLIC = 2
export const IPV6_PREFER_SRC_COA = 4
export const IPV6_PREFER_SRC_CGA = 8
export const IPV6_PREFER_SRC_PUBTMP_DEFAULT = 0x100
export const IPV6_PREFER_SRC_HOME = 0x400
export const IPV6_PREFER_SRC_NONCGA = 0x800

// IP_MTU_DISCOVER and IPV6_MTU_DISCOVER (linux/in.h).
/** It may be cut on its way. */
export const IP_PMTUDISC_DONT = 0
/** What fits the path may not be, what does not is cut here. */
export const IP_PMTUDISC_WANT = 1
/** Nothing may be. */
export const IP_PMTUDISC_DO = 2
/** Nothing may be, and only the device's own MTU counts. */
export const IP_PMTUDISC_PROBE = 3
/** Only the device's own MTU counts: nothing is learned, nothing larger sent. */
export const IP_PMTUDISC_INTERFACE = 4
/** The same, but that what is larger is cut. */
export const IP_PMTUDISC_OMIT = 5

// Bits of SK_MC_FLAGS: set by turning an option off; IPv6's are those shifted by MC_IPV6.
export const MC_NO_LOOP = 1
export const MC_NO_ALL = 2
export const MC_IPV6 = 2

export const SOL_PACKET = 263
/** A name option: the packets that came and those that were lost since it was read last (struct tpacket_stats). */
export const PACKET_STATISTICS = 6
/** Beside each packet PEER_AUX tells of it. */
export const PACKET_AUXDATA = 8
/** The group in the lower half, how it chooses (PACKET_FANOUT_*) in the upper one. */
export const PACKET_FANOUT = 18
export const PACKET_IGNORE_OUTGOING = 23
export const PACKET_FANOUT_HASH = 0
export const PACKET_FANOUT_LB = 1
export const PACKET_FANOUT_CPU = 2
export const PACKET_FANOUT_ROLLOVER = 3
export const PACKET_FANOUT_RND = 4
export const PACKET_FANOUT_QM = 5
/** One whose buffer is full passes the packet on to another. */
export const PACKET_FANOUT_FLAG_ROLLOVER = 0x1000
// tp_status of PEER_AUX (linux/if_packet.h).
export const TP_STATUS_USER = 1
export const TP_STATUS_CSUMNOTREADY = 8
export const TP_STATUS_VLAN_VALID = 16
export const TP_STATUS_VLAN_TPID_VALID = 64
export const TP_STATUS_CSUM_VALID = 128
export const TP_STATUS_GSO_TCP = 256

/** Words of Proto.peer. */
export const PEER_ADDR = 0
/** Of a packet socket the protocol (ethertype). */
export const PEER_PORT = 4
/** Device of the link, of an address that needs it said (needsZone), and of a packet socket's; else 0. */
export const PEER_ZONE = 5
/** struct tpacket_auxdata: the status, the octets there were, and the VLAN tag (TCI, and TPID in the upper half). */
export const PEER_AUX = 6
export const PEER_WORDS = 9
// The address of a packet socket (sockaddr_ll), in the words of PEER_ADDR.
export const SLL_ADDR_HI = 0
export const SLL_ADDR_LO = 1
/** PACKET_* */
export const SLL_PKTTYPE = 2
/** ARPHRD_* */
export const SLL_HATYPE = 3
