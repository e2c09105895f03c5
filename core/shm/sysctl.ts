/**
 * The sysctls: one row each, with the name, default and bounds that Linux has (Documentation/networking/ip-sysctl.rst,
 * admin-guide/sysctl/net.rst). Values are words in shared memory, written by control and read by any thread as
 * `i32[sysctl + Sysctl.ip_forward]`; where a word lies follows from the order of the rows. To add a sysctl is to write its
 * row, and to read it. Control and the configuration file take them from here (core/control/sysctls.ts). Settings of
 * devices (net.ipv4.conf.*, net.ipv4.neigh.*) are in devconf.ts.
 */
import type { Arena } from './arena.ts'
import { setConfDefaults } from './devconf.ts'
import { SYSCTL_WORDS } from './layout.ts'

type Bounded = readonly [value: number, min: number, max: number]
type Row<Parts extends string = string> = {
  readonly name: string
  /** A value's words by name; a single one has none. */
  readonly parts: Readonly<Record<Parts, Bounded>>
  readonly only?: 'powers of two'
  /** A range that, turned around, holds nothing. */
  readonly mayBeEmpty?: true
  /** A value that is a name, or several: the sysctl that lists them; the word is the number of one, or has a bit for each. */
  readonly names?: { readonly of: string; readonly many: boolean }
  /** Keys of Fast Open, as fastopen-key.ts writes them. */
  readonly isKey?: true
  /** Ports, as bit-list.ts writes them, which has them; the word is how many. */
  readonly isPorts?: true
  /** A bit for each number that it lists, as bit-list.ts writes them. */
  readonly isBits?: true
  /** Another sysctl, below whose (first) value this one's does not go, or above which. */
  readonly notBelow?: string
  readonly notAbove?: string
}

const MAX = 2147483647
const MAX_UNSIGNED = 4294967295
/** A number. */
const number = (name: string, value: number, min = 0, max = MAX): Row<''> => ({
  name,
  parts: { '': [value, min, max] },
})
const onOff = (name: string, value: 0 | 1): Row<''> => number(name, value, 0, 1)
/** Numbers that Linux shows as one line, in rising order. */
const vector = <Parts extends string>(name: string, parts: Record<Parts, Bounded>): Row<Parts> => ({
  name,
  parts,
})
/** One of the words that the sysctl `of` lists. */
const choice = (name: string, of: string, value: number): Row<''> => ({
  ...number(name, value),
  names: { of, many: false },
})
/** Any of the words that the sysctl `of` lists, all at first. */
const choices = (name: string, of: string): Row<''> => ({
  ...number(name, -1),
  names: { of, many: true },
})

/** Two keys of four words each, and how many of them are set; none is a key of this boot. */
const keys = (name: string) => {
  const word = [0, -MAX - 1, MAX] as const
  const one = { '0': word, '1': word, '2': word, '3': word }
  const other = { '4': word, '5': word, '6': word, '7': word }
  return { name, parts: { ...one, ...other, count: [0, 0, 2] as const }, isKey: true as const }
}

/** Of the numbers from 0 to 255 those whose bits these words have. */
const bits256 = (name: string, words: readonly number[]) => {
  const word = (k: number) => [words[k] ?? 0, -MAX - 1, MAX] as const
  const low = { '0': word(0), '1': word(1), '2': word(2), '3': word(3) }
  const high = { '4': word(4), '5': word(5), '6': word(6), '7': word(7) }
  return { name, parts: { ...low, ...high }, isBits: true as const }
}

const AVAILABLE_CONGESTION_CONTROL = 'net.ipv4.tcp_available_congestion_control'

const TABLE = {
  // ---- net.core
  netdev_max_backlog: number('net.core.netdev_max_backlog', 1000, 1, 4096),
  netdev_budget: number('net.core.netdev_budget', 300, 1, 4096),
  netdev_budget_usecs: number('net.core.netdev_budget_usecs', 8000, 1, 1000000),
  dev_weight: number('net.core.dev_weight', 64, 1, 1024),
  rps_sock_flow_entries: number('net.core.rps_sock_flow_entries', 0, 0, 32768),
  /** Bit n: CPU n has a flow limit. */
  flow_limit_cpu_bitmap: number('net.core.flow_limit_cpu_bitmap', 0, 0, 4294967295),
  /** Of the flow limits that are switched on from then on. */
  flow_limit_table_len: {
    ...number('net.core.flow_limit_table_len', 4096, 1, 4096),
    only: 'powers of two',
  },
  somaxconn: number('net.core.somaxconn', 4096, 1, 65535),
  rmem_default: number('net.core.rmem_default', 212992, 2304),
  wmem_default: number('net.core.wmem_default', 212992, 4608),
  /** The most that SO_RCVBUF and SO_SNDBUF have, before it is doubled. */
  rmem_max: number('net.core.rmem_max', 4194304, 2304),
  wmem_max: number('net.core.wmem_max', 4194304, 4608),

  // ---- net.ipv4: IP and ICMP
  ip_default_ttl: number('net.ipv4.ip_default_ttl', 64, 1, 255),
  /** Sockets may be bound to addresses that are not ours, as with IP_FREEBIND. */
  ip_nonlocal_bind: onOff('net.ipv4.ip_nonlocal_bind', 0),
  ip_local_port_range: {
    ...vector('net.ipv4.ip_local_port_range', { min: [32768, 1, 65535], max: [60999, 1, 65535] }),
    notBelow: 'net.ipv4.ip_unprivileged_port_start',
  },
  /** Ports that no socket gets without asking for them. */
  ip_local_reserved_ports: { ...number('net.ipv4.ip_local_reserved_ports', 0), isPorts: true },
  /**
   * None below is chosen for a socket. Nobody is kept from binding to one: applications here have all capabilities, and so
   * CAP_NET_BIND_SERVICE.
   */
  ip_unprivileged_port_start: {
    ...number('net.ipv4.ip_unprivileged_port_start', 1024, 0, 65535),
    notAbove: 'net.ipv4.ip_local_port_range',
  },
  /**
   * Sockets are made with IP_PMTUDISC_DONT (1 to 3); "fragmentation needed" is believed in full (0), as the least MTU (1), not
   * at all (2), or of protocols alone that can tell a forged one (3).
   */
  ip_no_pmtu_disc: number('net.ipv4.ip_no_pmtu_disc', 0, 0, 3),
  /** Answers that no socket gives have the mark of what they answer. */
  fwmark_reflect: onOff('net.ipv4.fwmark_reflect', 0),
  /** Groups that may have ping sockets; as distributions set it, as applications here are of none but group 0. */
  ping_group_range: {
    ...vector('net.ipv4.ping_group_range', { min: [0, 0, MAX], max: [MAX, 0, MAX] }),
    mayBeEmpty: true,
  },
  /** Routes by nexthop objects are shown, and told of, with what these say. */
  nexthop_compat_mode: onOff('net.ipv4.nexthop_compat_mode', 1),
  /** Which of several next hops a flow goes by is by its addresses (0), its ports too (1), those of a packet in it (2), or the fields below (3). */
  fib_multipath_hash_policy: number('net.ipv4.fib_multipath_hash_policy', 0, 0, 3),
  /** Bits: source, destination, protocol, flow label, ports; and these of the packet in it. */
  fib_multipath_hash_fields: number('net.ipv4.fib_multipath_hash_fields', 7, 1, 0xfff),
  /** Of that hash, in both families; 0: drawn. */
  fib_multipath_hash_seed: number('net.ipv4.fib_multipath_hash_seed', 0, 0, MAX_UNSIGNED),
  /** Next hops that are known not to answer are passed over. */
  fib_multipath_use_neigh: onOff('net.ipv4.fib_multipath_use_neigh', 0),
  icmp_echo_ignore_all: onOff('net.ipv4.icmp_echo_ignore_all', 0),
  icmp_echo_ignore_broadcasts: onOff('net.ipv4.icmp_echo_ignore_broadcasts', 1),
  /** The source of an ICMP error is an address of the device that the packet came in on. */
  icmp_errors_use_inbound_ifaddr: onOff('net.ipv4.icmp_errors_use_inbound_ifaddr', 0),
  /** Errors about packets that we are said to have sent to a broadcast address are believed as others are. */
  icmp_ignore_bogus_error_responses: onOff('net.ipv4.icmp_ignore_bogus_error_responses', 1),
  /** Bit n: messages of type n are limited; at first unreachable, source quench, time exceeded, parameter problem. */
  icmp_ratemask: number('net.ipv4.icmp_ratemask', 0x1818),
  /** Milliseconds between two errors to one host. */
  icmp_ratelimit: number('net.ipv4.icmp_ratelimit', 1000),
  icmp_msgs_per_sec: number('net.ipv4.icmp_msgs_per_sec', 10000),
  icmp_msgs_burst: number('net.ipv4.icmp_msgs_burst', 50),

  // ---- net.ipv4.neigh.default: of the table, which both families share; what is of devices is in devconf.ts
  /** So many are kept. */
  neigh_gc_thresh1: number('net.ipv4.neigh.default.gc_thresh1', 128),
  /** To so many the table is cut down when it is full. */
  neigh_gc_thresh2: number('net.ipv4.neigh.default.gc_thresh2', 512),
  neigh_gc_thresh3: number('net.ipv4.neigh.default.gc_thresh3', 1024, 1, 4096),

  /** Raw sockets that are bound to no device hear VRFs as well. */
  raw_l3mdev_accept: onOff('net.ipv4.raw_l3mdev_accept', 1),

  // ---- net.ipv4: TCP
  /** Listeners that are bound to no device hear VRFs as well, and what they accept is the VRF's. */
  tcp_l3mdev_accept: onOff('net.ipv4.tcp_l3mdev_accept', 0),
  tcp_rmem: vector('net.ipv4.tcp_rmem', {
    min: [4096, 2304, MAX],
    default: [131072, 2304, MAX],
    max: [6291456, 2304, MAX],
  }),
  tcp_wmem: vector('net.ipv4.tcp_wmem', {
    min: [4096, 1, MAX],
    default: [16384, 4608, MAX],
    max: [4194304, 4608, MAX],
  }),
  tcp_syn_retries: number('net.ipv4.tcp_syn_retries', 6, 1, 127),
  /** So many of them come a second apart, before those of tcp_syn_retries, which wait twice as long each time. */
  tcp_syn_linear_timeouts: number('net.ipv4.tcp_syn_linear_timeouts', 4, 0, 127),
  tcp_synack_retries: number('net.ipv4.tcp_synack_retries', 5, 0, 255),
  tcp_retries2: number('net.ipv4.tcp_retries2', 15, 0, 255),
  /** 0 is 8. */
  tcp_orphan_retries: number('net.ipv4.tcp_orphan_retries', 0, 0, 255),
  /** Of the sockets that are made from then on: the most and the least of a timeout. */
  tcp_rto_max_ms: number('net.ipv4.tcp_rto_max_ms', 120000, 1000, 120000),
  tcp_rto_min_us: number('net.ipv4.tcp_rto_min_us', 200000, 1),
  /** A RST does not end TIME_WAIT (RFC 1337 section 3). */
  tcp_rfc1337: onOff('net.ipv4.tcp_rfc1337', 0),
  /** A window that is offered may be taken back when memory is short, where windows are scaled (RFC 9293 3.8.6 has it not so). */
  tcp_shrink_window: onOff('net.ipv4.tcp_shrink_window', 0),
  /** Seconds. */
  tcp_fin_timeout: number('net.ipv4.tcp_fin_timeout', 60, 0, 3600),
  tcp_window_scaling: onOff('net.ipv4.tcp_window_scaling', 1),
  /** 2: their clock begins at no random number. */
  tcp_timestamps: number('net.ipv4.tcp_timestamps', 1, 0, 2),
  tcp_sack: onOff('net.ipv4.tcp_sack', 1),
  /** Does nothing, as in Linux since RACK took the place of forward acknowledgements; scripts set it. */
  tcp_fack: number('net.ipv4.tcp_fack', 0),
  tcp_dsack: onOff('net.ipv4.tcp_dsack', 1),
  /**
   * ECN: 1 asks for it and agrees, 2 only agrees (RFC 3168); 3 asks for AccECN (RFC 9768) and agrees to it, 4 agrees and asks
   * for RFC 3168's, 5 only agrees. A SYN that is not answered is sent again without.
   */
  tcp_ecn: number('net.ipv4.tcp_ecn', 2, 0, 5),
  /**
   * The option of AccECN: 0 never goes, 1 when it has something to say that was not heard, 2 with every segment that has room,
   * 3 even if such segments seem to be lost.
   */
  tcp_ecn_option: number('net.ipv4.tcp_ecn_option', 2, 0, 3),
  /** With 1 it goes so often a round trip at least; 0 leaves it at that. */
  tcp_ecn_option_beacon: number('net.ipv4.tcp_ecn_option_beacon', 3, 0, 3),
  tcp_ecn_fallback: onOff('net.ipv4.tcp_ecn_fallback', 1),
  /** SYN cookies: 1 when there is no place for another request, 2 always, 0 never. */
  tcp_syncookies: number('net.ipv4.tcp_syncookies', 1, 0, 2),
  /** Requests of a listener without SYN cookies; the last quarter is for peers that are known, and none is. */
  tcp_max_syn_backlog: number('net.ipv4.tcp_max_syn_backlog', 4096, 1, 65535),
  tcp_abort_on_overflow: onOff('net.ipv4.tcp_abort_on_overflow', 0),
  /** Seconds, as is tcp_keepalive_intvl. */
  tcp_keepalive_time: number('net.ipv4.tcp_keepalive_time', 7200, 1, 32767),
  tcp_keepalive_intvl: number('net.ipv4.tcp_keepalive_intvl', 75, 1, 32767),
  tcp_keepalive_probes: number('net.ipv4.tcp_keepalive_probes', 9, 1, 127),
  /** Connections whose application has closed them. */
  tcp_max_orphans: number('net.ipv4.tcp_max_orphans', 4096, 0, 65536),
  /** A new connection takes the port of one in TIME_WAIT: 1 always, 2 when its peer is on this host. */
  tcp_tw_reuse: number('net.ipv4.tcp_tw_reuse', 2, 0, 2),
  /** Milliseconds that it has waited before. */
  tcp_tw_reuse_delay: number('net.ipv4.tcp_tw_reuse_delay', 1000, 1, 60000),
  tcp_max_tw_buckets: number('net.ipv4.tcp_max_tw_buckets', 4096, 0, 65536),
  /** A second; MAX is no limit (RFC 5961 section 7 has it for hosts whose limit can be probed). */
  tcp_challenge_ack_limit: number('net.ipv4.tcp_challenge_ack_limit', MAX, 1),
  /** Milliseconds between two answers to what is out of order. */
  tcp_invalid_ratelimit: number('net.ipv4.tcp_invalid_ratelimit', 500, 0, 3600000),
  /** Bytes of packet memory that what one socket has sent may hold below TCP. */
  tcp_limit_output_bytes: number('net.ipv4.tcp_limit_output_bytes', 4194304),
  /** RACK, bits: 1 is on as it always is here, 2 keeps its reordering window, 4 has no rule of three. */
  tcp_recovery: number('net.ipv4.tcp_recovery', 1, 0, 7),
  /** 3 and 4: a lost tail is probed for. */
  tcp_notsent_lowat: number('net.ipv4.tcp_notsent_lowat', MAX_UNSIGNED, 0, MAX_UNSIGNED),
  tcp_tso_win_divisor: number('net.ipv4.tcp_tso_win_divisor', 3, 0),
  /** Path MTUs by probes: 1 after timeouts, 2 always; from segments of tcp_base_mss on. */
  tcp_mtu_probing: number('net.ipv4.tcp_mtu_probing', 0, 0, 2),
  tcp_base_mss: number('net.ipv4.tcp_base_mss', 1024, 48, 65535),
  /** Where timeouts go on, segments become no smaller. */
  tcp_mtu_probe_floor: number('net.ipv4.tcp_mtu_probe_floor', 48, 48, 65535),
  tcp_min_snd_mss: number('net.ipv4.tcp_min_snd_mss', 48, 48, 65535),
  /** Octets in which the search for a path MTU ends; seconds until there is another. */
  tcp_probe_threshold: number('net.ipv4.tcp_probe_threshold', 8, 0, 65535),
  tcp_probe_interval: number('net.ipv4.tcp_probe_interval', 600, 0, 4294967),
  /** Timeouts in a row from which on the path is doubted. */
  tcp_retries1: number('net.ipv4.tcp_retries1', 3, 0, 255),
  /** Segments of a super-frame at least, whatever the pace. */
  tcp_min_tso_segs: number('net.ipv4.tcp_min_tso_segs', 2, 1, 65535),
  /** It may be larger than a millisecond of the pace by half for each doubling of the round trip from so many bits of us. */
  tcp_tso_rtt_log: number('net.ipv4.tcp_tso_rtt_log', 9, 0, 255),
  /** Percent of a window a round trip that are the pace, while the window is far below the threshold, and else. */
  tcp_pacing_ss_ratio: number('net.ipv4.tcp_pacing_ss_ratio', 200, 0, 1000),
  tcp_pacing_ca_ratio: number('net.ipv4.tcp_pacing_ca_ratio', 120, 0, 1000),
  /** Acknowledgements of what lies behind a hole wait so long for so many others at most, ns. */
  tcp_comp_sack_delay_ns: number('net.ipv4.tcp_comp_sack_delay_ns', 1_000_000),
  tcp_comp_sack_nr: number('net.ipv4.tcp_comp_sack_nr', 44, 0, 255),
  tcp_early_retrans: number('net.ipv4.tcp_early_retrans', 3, 0, 4),
  /** A timeout is first thought to be spurious (F-RTO). */
  tcp_frto: number('net.ipv4.tcp_frto', 2, 0, 2),
  /** Segments out of order that are no loss without SACK, at first and at most. */
  tcp_reordering: number('net.ipv4.tcp_reordering', 3, 1, 127),
  tcp_max_reordering: number('net.ipv4.tcp_max_reordering', 300, 1, 65535),
  /** Connections that come in have the mark of their SYN, where their listener has none (inet_request_mark). */
  tcp_fwmark_accept: onOff('net.ipv4.tcp_fwmark_accept', 0),
  /** Connections that come in have the TOS of their SYN. */
  tcp_reflect_tos: onOff('net.ipv4.tcp_reflect_tos', 0),
  /**
   * Fast Open, bits: 1 clients may ask for it, 2 listeners may take it; a cookie is not needed by 4 in SYNs that go out, by
   * 0x200 in those that come in; 0x400 all listeners take it, not only those with TCP_FASTOPEN.
   */
  tcp_fastopen: number('net.ipv4.tcp_fastopen', 1),
  /**
   * Seconds that clients do without Fast Open once something on the way swallows it, twice as long each time that it does
   * again; 0 is never.
   */
  tcp_fastopen_blackhole_timeout_sec: number('net.ipv4.tcp_fastopen_blackhole_timeout_sec', 0),
  /** What cookies are made under, the old key behind the new one. */
  tcp_fastopen_key: keys('net.ipv4.tcp_fastopen_key'),
  /** The urgent pointer names its octet, not the one behind it (RFC 9293 3.8.5; RFC 6093 has what everybody does). */
  tcp_stdurg: onOff('net.ipv4.tcp_stdurg', 0),
  /** Small segments that follow one another go as one when they are sent again. */
  tcp_retrans_collapse: onOff('net.ipv4.tcp_retrans_collapse', 1),
  tcp_autocorking: onOff('net.ipv4.tcp_autocorking', 1),
  tcp_slow_start_after_idle: onOff('net.ipv4.tcp_slow_start_after_idle', 1),
  tcp_moderate_rcvbuf: onOff('net.ipv4.tcp_moderate_rcvbuf', 1),
  tcp_congestion_control: choice(
    'net.ipv4.tcp_congestion_control',
    AVAILABLE_CONGESTION_CONTROL,
    0
  ),
  tcp_allowed_congestion_control: choices(
    'net.ipv4.tcp_allowed_congestion_control',
    AVAILABLE_CONGESTION_CONTROL
  ),

  // ---- net.ipv4.route
  /** The least that an ICMP error makes of a path's MTU; seconds until the path is tried again; the least MSS that is announced. */
  route_min_pmtu: number('net.ipv4.route.min_pmtu', 552, 68),
  route_mtu_expires: number('net.ipv4.route.mtu_expires', 600, 0, 2147483),
  route_min_adv_mss: number('net.ipv4.route.min_adv_mss', 256, 0, 65495),

  /** Seconds that the fragments of a datagram wait for each other. */
  ipfrag_time: number('net.ipv4.ipfrag_time', 30, 0, 3600),
  /**
   * Octets of packet memory beyond which no fragment is taken, of all workers together, if the budget of packet memory has not
   * made the oldest datagram give way before; and one that only bounds that one, as in Linux since 4.17.
   */
  ipfrag_high_thresh: {
    ...number('net.ipv4.ipfrag_high_thresh', 4194304),
    notBelow: 'net.ipv4.ipfrag_low_thresh',
  },
  ipfrag_low_thresh: {
    ...number('net.ipv4.ipfrag_low_thresh', 3145728),
    notAbove: 'net.ipv4.ipfrag_high_thresh',
  },
  /** Fragments of others from the same host between two of a datagram, as identifications come round again; 0: any number. */
  ipfrag_max_dist: number('net.ipv4.ipfrag_max_dist', 64),

  // ---- net.ipv4: UDP
  /** Sockets that are bound to no device hear VRFs as well. */
  udp_l3mdev_accept: onOff('net.ipv4.udp_l3mdev_accept', 0),
  /** Bytes of its receive buffer that a socket may hold when memory is short. */
  udp_rmem_min: number('net.ipv4.udp_rmem_min', 4096, 2304),

  // ---- net.ipv4: multicast
  /** Groups that a socket may join. */
  igmp_max_memberships: number('net.ipv4.igmp_max_memberships', 20),
  /** Sources that one membership may list. */
  igmp_max_msf: number('net.ipv4.igmp_max_msf', 10),
  /** How often a change is told, where no querier says so. */
  igmp_qrv: number('net.ipv4.igmp_qrv', 2, 1, 7),
  igmp_link_local_mcast_reports: onOff('net.ipv4.igmp_link_local_mcast_reports', 1),

  // ---- net.ipv6
  /** As IPv4's. */
  fwmark_reflect6: onOff('net.ipv6.fwmark_reflect', 0),
  /** As IPv4's. */
  ip6_nonlocal_bind: onOff('net.ipv6.ip_nonlocal_bind', 0),
  /** Sockets are v6only from the start. */
  bindv6only: onOff('net.ipv6.bindv6only', 0),
  /** 0: packets are given no flow label; 1: unless their socket wants none; 2: if it wants one; 3: whatever it wants. */
  auto_flowlabels: number('net.ipv6.auto_flowlabels', 1, 0, 3),
  /** As IPv4's. */
  fib_multipath_hash_policy6: number('net.ipv6.fib_multipath_hash_policy', 0, 0, 3),
  fib_multipath_hash_fields6: number('net.ipv6.fib_multipath_hash_fields', 7, 1, 0xfff),
  /** As IPv4's. */
  route6_mtu_expires: number('net.ipv6.route.mtu_expires', 600, 0, 2147483),
  route6_min_adv_mss: number('net.ipv6.route.min_adv_mss', 1220, 0, 65475),
  /** Seconds that the fragments of a datagram wait for each other. */
  ip6frag_time: number('net.ipv6.ip6frag_time', 60, 0, 3600),
  /** As IPv4's. */
  ip6frag_high_thresh: {
    ...number('net.ipv6.ip6frag_high_thresh', 4194304),
    notBelow: 'net.ipv6.ip6frag_low_thresh',
  },
  ip6frag_low_thresh: {
    ...number('net.ipv6.ip6frag_low_thresh', 3145728),
    notAbove: 'net.ipv6.ip6frag_high_thresh',
  },
  icmp6_echo_ignore_all: onOff('net.ipv6.icmp.echo_ignore_all', 0),
  icmp6_echo_ignore_multicast: onOff('net.ipv6.icmp.echo_ignore_multicast', 0),
  /** Milliseconds between two errors to one host. */
  icmp6_ratelimit: number('net.ipv6.icmp.ratelimit', 1000),
  /** Messages of these types are limited; at first errors, but "packet too big". */
  icmp6_ratemask: bits256('net.ipv6.icmp.ratemask', [-5, -1, -1, -1]),
  /** How many addresses of a secret are tried beside the first (RFC 7217). */
  idgen_retries: number('net.ipv6.idgen_retries', 3),
  /** Options of a hop-by-hop or destination header, below zero: so many, all known; and its octets (RFC 8504 section 5.3). */
  max_hbh_opts_number: number('net.ipv6.max_hbh_opts_number', 8, -MAX),
  max_dst_opts_number: number('net.ipv6.max_dst_opts_number', 8, -MAX),
  max_hbh_length: number('net.ipv6.max_hbh_length', MAX),
  max_dst_opts_length: number('net.ipv6.max_dst_opts_length', MAX),
  mld_max_msf: number('net.ipv6.mld_max_msf', 64),
  mld_qrv: number('net.ipv6.mld_qrv', 2, 1, 7),
} as const satisfies Record<string, Row>

type Table = typeof TABLE
type WordName<Key extends string, Part> = Part extends '' ? Key : `${Key}_${Part & string}`
/** ip_forward, tcp_rmem_min, tcp_rmem_default, ... */
type SysctlName = {
  [Key in keyof Table]: WordName<Key, keyof Table[Key]['parts']>
}[keyof Table]

/** A sysctl as control knows it: its words are `first`, `first + 1`, ... of the table. */
export type SysctlRow = Pick<
  Row,
  | 'name'
  | 'only'
  | 'mayBeEmpty'
  | 'names'
  | 'isKey'
  | 'isPorts'
  | 'isBits'
  | 'notBelow'
  | 'notAbove'
> & {
  readonly first: number
  readonly words: readonly Bounded[]
}

let words = 0
const placed = Object.entries<Row>(TABLE).map(([key, { parts, ...row }]) => {
  const first = words
  words += Object.keys(parts).length
  return { key, parts, row: { ...row, first, words: Object.values(parts) } }
})
if (words > SYSCTL_WORDS)
  throw new Error(`sysctl: ${words} words are more than there is room for (${SYSCTL_WORDS})`)

export const SYSCTLS: readonly SysctlRow[] = placed.map(({ row }) => row)

/** Where the values lie, from `layout.sysctl` on. */
export const Sysctl = Object.fromEntries(
  placed.flatMap(({ key, parts, row }) =>
    Object.keys(parts).map((part, k) => [part === '' ? key : `${key}_${part}`, row.first + k])
  )
) as Readonly<Record<SysctlName, number>>

/** Writes every default, those of devices' settings too; control, once. */
export const setSysctlDefaults = (arena: Arena): void => {
  setConfDefaults(arena)
  for (const { first, words } of SYSCTLS)
    for (const [k, [value]] of words.entries()) arena.i32[arena.layout.sysctl + first + k] = value
}
