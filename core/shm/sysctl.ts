/**
 * sysctl values in shared memory: one word each, written by control, read by any thread as
 * `i32[sysctl + Sysctl.IP_FORWARD]`. Names and defaults are Linux's (Documentation/networking/ip-sysctl.rst).
 */
import type { Arena } from './arena.ts'

/** Indices of the values. */
export const Sysctl = {
  ip_forward: 0,
  ip_default_ttl: 1,
  icmp_echo_ignore_all: 2,
  icmp_ratelimit: 3,
  icmp_msgs_per_sec: 4,
  icmp_msgs_burst: 5,
  neigh_base_reachable_time_ms: 6,
  neigh_retrans_time_ms: 7,
  neigh_delay_first_probe_time: 8,
  neigh_mcast_solicit: 9,
  neigh_ucast_solicit: 10,
  neigh_unres_qlen_bytes: 11,
  neigh_gc_stale_time: 12,
  neigh_gc_thresh3: 13,
  netdev_max_backlog: 14,
  netdev_budget: 15,
  netdev_budget_usecs: 16,
  dev_weight: 17,
  rps_sock_flow_entries: 18,
  flow_limit_cpu_bitmap: 19,
  flow_limit_table_len: 20,
  ip_local_port_range_min: 21,
  ip_local_port_range_max: 22,
  tcp_rmem_min: 23,
  tcp_rmem_default: 24,
  tcp_rmem_max: 25,
  tcp_wmem_min: 26,
  tcp_wmem_default: 27,
  tcp_wmem_max: 28,
  tcp_syn_retries: 29,
  tcp_synack_retries: 30,
  tcp_retries2: 31,
  tcp_fin_timeout: 32,
  tcp_window_scaling: 33,
  tcp_timestamps: 34,
  tcp_sack: 35,
  tcp_max_syn_backlog: 36,
  somaxconn: 37,
  tcp_keepalive_time: 38,
  tcp_keepalive_intvl: 39,
  tcp_keepalive_probes: 40,
  tcp_max_tw_buckets: 41,
  tcp_orphan_retries: 42,
  tcp_challenge_ack_limit: 43,
  tcp_invalid_ratelimit: 44,
  tcp_syncookies: 45,
  tcp_abort_on_overflow: 46,
  rmem_default: 47,
  wmem_default: 48,
  rp_filter: 49,
  ip6_forwarding: 50,
  tcp_dsack: 51,
  tcp_slow_start_after_idle: 52,
  tcp_moderate_rcvbuf: 53,
  send_redirects: 54,
  tcp_congestion_control: 55,
  tcp_allowed_congestion_control: 56,
} as const

/** Full name, index, default and bounds; what `softnet sysctl -a` lists. */
export const SYSCTLS: ReadonlyArray<
  readonly [name: string, index: number, value: number, min: number, max: number]
> = [
  ['net.ipv4.ip_forward', Sysctl.ip_forward, 1, 0, 1],
  ['net.ipv4.conf.all.rp_filter', Sysctl.rp_filter, 0, 0, 2],
  ['net.ipv4.conf.all.send_redirects', Sysctl.send_redirects, 1, 0, 1],
  ['net.ipv6.conf.all.forwarding', Sysctl.ip6_forwarding, 1, 0, 1],
  ['net.ipv4.ip_default_ttl', Sysctl.ip_default_ttl, 64, 1, 255],
  ['net.ipv4.icmp_echo_ignore_all', Sysctl.icmp_echo_ignore_all, 0, 0, 1],
  ['net.ipv4.icmp_ratelimit', Sysctl.icmp_ratelimit, 1000, 0, 2147483647],
  ['net.ipv4.icmp_msgs_per_sec', Sysctl.icmp_msgs_per_sec, 10000, 0, 2147483647],
  ['net.ipv4.icmp_msgs_burst', Sysctl.icmp_msgs_burst, 50, 0, 2147483647],
  [
    'net.ipv4.neigh.default.base_reachable_time_ms',
    Sysctl.neigh_base_reachable_time_ms,
    30000,
    1,
    2147483647,
  ],
  ['net.ipv4.neigh.default.retrans_time_ms', Sysctl.neigh_retrans_time_ms, 1000, 1, 2147483647],
  [
    'net.ipv4.neigh.default.delay_first_probe_time',
    Sysctl.neigh_delay_first_probe_time,
    5,
    0,
    3600,
  ],
  ['net.ipv4.neigh.default.mcast_solicit', Sysctl.neigh_mcast_solicit, 3, 0, 100],
  ['net.ipv4.neigh.default.ucast_solicit', Sysctl.neigh_ucast_solicit, 3, 0, 100],
  ['net.ipv4.neigh.default.unres_qlen_bytes', Sysctl.neigh_unres_qlen_bytes, 212992, 0, 2147483647],
  ['net.ipv4.neigh.default.gc_stale_time', Sysctl.neigh_gc_stale_time, 60, 1, 2147483],
  ['net.ipv4.neigh.default.gc_thresh3', Sysctl.neigh_gc_thresh3, 1024, 1, 4096],
  ['net.core.netdev_max_backlog', Sysctl.netdev_max_backlog, 1000, 1, 4096],
  ['net.core.netdev_budget', Sysctl.netdev_budget, 300, 1, 4096],
  ['net.core.netdev_budget_usecs', Sysctl.netdev_budget_usecs, 8000, 1, 1000000],
  ['net.core.dev_weight', Sysctl.dev_weight, 64, 1, 1024],
  ['net.core.rps_sock_flow_entries', Sysctl.rps_sock_flow_entries, 0, 0, 32768],
  ['net.core.flow_limit_cpu_bitmap', Sysctl.flow_limit_cpu_bitmap, 0, 0, 4294967295],
  ['net.core.flow_limit_table_len', Sysctl.flow_limit_table_len, 4096, 1, 4096],
  ['net.core.somaxconn', Sysctl.somaxconn, 4096, 1, 65535],
  ['net.core.rmem_default', Sysctl.rmem_default, 212992, 2304, 2147483647],
  ['net.core.wmem_default', Sysctl.wmem_default, 212992, 4608, 2147483647],
  ['net.ipv4.ip_local_port_range_min', Sysctl.ip_local_port_range_min, 32768, 1024, 65535],
  ['net.ipv4.ip_local_port_range_max', Sysctl.ip_local_port_range_max, 60999, 1024, 65535],
  ['net.ipv4.tcp_rmem_min', Sysctl.tcp_rmem_min, 4096, 2304, 2147483647],
  ['net.ipv4.tcp_rmem_default', Sysctl.tcp_rmem_default, 131072, 2304, 2147483647],
  ['net.ipv4.tcp_rmem_max', Sysctl.tcp_rmem_max, 6291456, 2304, 2147483647],
  ['net.ipv4.tcp_wmem_min', Sysctl.tcp_wmem_min, 4096, 1, 2147483647],
  ['net.ipv4.tcp_wmem_default', Sysctl.tcp_wmem_default, 16384, 4608, 2147483647],
  ['net.ipv4.tcp_wmem_max', Sysctl.tcp_wmem_max, 4194304, 4608, 2147483647],
  ['net.ipv4.tcp_syn_retries', Sysctl.tcp_syn_retries, 6, 1, 127],
  ['net.ipv4.tcp_synack_retries', Sysctl.tcp_synack_retries, 5, 0, 255],
  ['net.ipv4.tcp_retries2', Sysctl.tcp_retries2, 15, 0, 255],
  ['net.ipv4.tcp_orphan_retries', Sysctl.tcp_orphan_retries, 0, 0, 255],
  ['net.ipv4.tcp_fin_timeout', Sysctl.tcp_fin_timeout, 60, 0, 3600],
  ['net.ipv4.tcp_window_scaling', Sysctl.tcp_window_scaling, 1, 0, 1],
  ['net.ipv4.tcp_timestamps', Sysctl.tcp_timestamps, 1, 0, 2],
  ['net.ipv4.tcp_sack', Sysctl.tcp_sack, 1, 0, 1],
  ['net.ipv4.tcp_dsack', Sysctl.tcp_dsack, 1, 0, 1],
  ['net.ipv4.tcp_max_syn_backlog', Sysctl.tcp_max_syn_backlog, 512, 1, 65535],
  ['net.ipv4.tcp_keepalive_time', Sysctl.tcp_keepalive_time, 7200, 1, 32767],
  ['net.ipv4.tcp_keepalive_intvl', Sysctl.tcp_keepalive_intvl, 75, 1, 32767],
  ['net.ipv4.tcp_keepalive_probes', Sysctl.tcp_keepalive_probes, 9, 1, 127],
  ['net.ipv4.tcp_max_tw_buckets', Sysctl.tcp_max_tw_buckets, 4096, 0, 65536],
  ['net.ipv4.tcp_challenge_ack_limit', Sysctl.tcp_challenge_ack_limit, 2147483647, 1, 2147483647],
  ['net.ipv4.tcp_invalid_ratelimit', Sysctl.tcp_invalid_ratelimit, 500, 0, 3600000],
  ['net.ipv4.tcp_syncookies', Sysctl.tcp_syncookies, 1, 0, 2],
  ['net.ipv4.tcp_abort_on_overflow', Sysctl.tcp_abort_on_overflow, 0, 0, 1],
  ['net.ipv4.tcp_slow_start_after_idle', Sysctl.tcp_slow_start_after_idle, 1, 0, 1],
  ['net.ipv4.tcp_moderate_rcvbuf', Sysctl.tcp_moderate_rcvbuf, 1, 0, 1],
]

/**
 * Values that are names: the number of one of them, or a bit for each. What the names are is known to who reads them
 * (core/control/sysctls.ts).
 */
export const NAME_SYSCTLS: ReadonlyArray<readonly [name: string, index: number, value: number]> = [
  ['net.ipv4.tcp_congestion_control', Sysctl.tcp_congestion_control, 0],
  ['net.ipv4.tcp_allowed_congestion_control', Sysctl.tcp_allowed_congestion_control, -1],
]

/** Writes every default; control, once. */
export const setSysctlDefaults = (arena: Arena): void => {
  for (const [, index, value] of [...SYSCTLS, ...NAME_SYSCTLS])
    arena.i32[arena.layout.sysctl + index] = value
}
