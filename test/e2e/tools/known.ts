// What may differ between Linux's tools and softnet's, and why.
import type { Aside } from './compare.ts'

const squeeze = (found: string): string => found.replace(/\d+/g, 'N').replace(/ +/g, ' ')

/** Values that differ from look to look, in either of them. */
export const VOLATILE: readonly Aside[] = [
  {
    json: /stats64\.[rt]x\.\w+$/,
    text: /^ {4}[RT]X.*$|^[ \d]+$|(?<=\\)(?: {4}[RT]X[^\\]*|[ \d]+)/gm,
    by: squeeze,
    reason: 'counts of packets, in columns as wide as they need',
  },
  {
    lines: /addr|route/,
    json: /(valid_life_time|preferred_life_time|expires)$/,
    text: /\b\d+(?=sec\b)/g,
    by: 'N',
    reason: 'what is left of a time',
  },
  {
    lines: /nstat|snmp|netstat/,
    json: /^kernel\./,
    text: /(?<=^\w+\s+)-?\d+( +0\.0)?$/gm,
    by: 'N',
    reason: 'counts of packets, of which the kernel sends some of its own accord',
  },
  {
    lines: /net\/dev$/,
    text: /(?<=: .*)\d+/g,
    by: squeeze,
    reason: 'counts of packets',
  },
  {
    lines: /net\/(tcp|udp|raw)/,
    text: /^ *\d+(?=: \w+:\w{4} )|(?<= 0 {8}0 ).*$/gm,
    by: 'N',
    reason: 'places in hash tables, inodes, references, addresses of memory, times',
  },
  {
    lines: /net\/ipv6_route$/,
    text: /(?<= )\w{8} \w{8}(?= \w{8} +\w+$)/gm,
    by: 'N',
    reason: 'references and uses',
  },
  {
    lines: /^ss /,
    text: /(?<=\b(ino|sk|cgroup):)\S+|(?<=[a-z_]:|[a-z]:[\d.]+[,/]|,tb|_rate |send )[\d.]+/g,
    by: 'N',
    reason: 'sizes, times and what they are counted by',
  },
  {
    lines: /neigh/,
    json: /\.(used|confirmed|updated)$/,
    text: /(?<=used )\d+\/\d+\/\d+ ?/g,
    by: 'N',
    reason: 'seconds since; ip 6.1 forgets the blank that follows',
  },
]

/** Counters of what softnet has not, or of what cannot come about in it. */
const UNCOUNTED = [
  // other protocols
  'UdpLite6?\\w+|MPTcpExt\\w+|TcpExtTCPAO\\w+',
  // each message once more by its number
  'Icmp6?(In|Out)Type\\d+',
  // broadcast has no place in IPv6
  'Ip6(In|Out)BcastOctets',
  // a lock that somebody holds, a backlog behind it, reserves of memory
  'TcpExt(LockDroppedIcmps|DelayedACKLocked|TCPBacklog\\w+|PFMemallocDrop|TCPMemoryPressures\\w*)',
  // what the kernel does and softnet not
  'IpExtReasmOverlaps|TcpExt(ArpFilter|BusyPollRxPackets)',
  'TcpExt(BeyondWindow|PAWSTimewait)',
  'TcpExt(TCPSACKDiscard|TCPDSACK(IgnoredOld|IgnoredNoUndo|RecvSegs|IgnoredDubious))',
  'TcpExt(TCPSack(Shifted|Merged|ShiftFallback)|TCPSpuriousRtxHostQueues|TCPHystart\\w+)',
  'TcpExt(TCPAckCompressed|TCPWqueueTooBig|TCPMigrateReq\\w+|TCPPLBRehash)',
  'TcpExt(TcpTimeoutRehash|TcpDuplicateDataRehash)',
].join('|')

/** Differences that stay. */
export const KNOWN: readonly Aside[] = [
  {
    text: /exit [1-9]\d*$/g,
    by: 'failed',
    reason:
      'softnet ends with 1 when something is refused and with 2 for usage; the tools each in their own way',
  },
  {
    json: /\[lan[01]\]\.(link_(index|netnsid)|linkinfo\.\w+.*)$/,
    text: /(?<=\blan[01])@if\d+ *| link-netnsid 0|(?<=^|\\)( {4}| )(veth|tap type.* peer \w+) |(?<=^lan[01]) +/gm,
    reason: 'the other end of a device of softnet is no device of its own',
  },
  {
    json: /(gso|tso|gro)_max_size$/,
    text: /(?<=(gso|tso|gro)_max_size )\d+/g,
    by: 'N',
    reason: 'no super-frame of softnet is larger than an IP packet may be',
  },
  {
    json: /^\[lo\]\.(min|max)_mtu$/,
    text: /(?<=link\/loopback .*)minmtu \d+ maxmtu \d+/g,
    reason: 'lo has bounds',
  },
  {
    lines: /route/,
    order: /(fe80::\/64|ff00::\/8|anycast fe80::) /,
    reason: "in the order in which links come up, which is the kernel work queue's",
  },
  {
    lines: /neigh|maddr|net\/(arp|if_inet6|ipv6_route|anycast6|igmp6?|dev_mcast|mcfilter6?)$/,
    order: /./,
    reason: 'in the order of a hash table, or in which groups were joined',
  },
  {
    lines: /neigh.* nud all/,
    json: /^\[ff02::16 /,
    text: /^ff02::16 .*\n/gm,
    reason: 'addresses of groups follow from the groups, and softnet keeps no rows of them',
  },
  {
    lines: /-j.* addr .*scope/,
    json: /addr_info\.\d+$/,
    reason: 'ip leaves empty objects where addresses are not of the scope',
  },
  {
    lines: /^ip .*route get/,
    json: /\.(users|age)$/,
    text: /users \d+ |age \w+ ?/g,
    reason: 'softnet counts no users of a route',
  },
  {
    lines: /route get 224/,
    json: /\.flags(\.0)?$/,
    text: /rt_offload_failed /,
    reason: 'ip takes RTCF_MULTICAST for RTM_F_OFFLOAD_FAILED',
  },
  {
    lines: /-o -d route|-d -o route/,
    text: /\n(?=\tnh_info)|\\(?=\tnh_info)/g,
    reason: 'ip breaks the one line of -o',
  },
  {
    lines: /^ss -s/,
    text: /(Total|TCP): +\d+|(closed|orphaned) \d+|^FRAG.*\n/gm,
    reason:
      'the kernel counts sockets of the whole machine, and datagrams that are put together as well',
  },
  {
    lines: /^ss /,
    text: / +$| (ino|cgroup):\S+| (worker|hash):\S+| rcv_wnd:\S+| busy:\S+| users:\S+| (reno|cubic)(?= cwnd:\d+ *$)|^Failed to open cgroup2 mount\n/gm,
    reason:
      'sockets of softnet have no inode, cgroup and process, but a worker and a hash; ss 6.1 knows no rcv_wnd; busy is told ' +
      'from a millisecond on; services listen before sysctls are set; ss pads lines to the longest',
  },
  {
    lines: /nstat|snmp|netstat/,
    json: new RegExp(`^kernel\\.(${UNCOUNTED})$`),
    text: new RegExp(`^(${UNCOUNTED})\\s.*\\n`, 'gm'),
    reason: 'what is not done is not counted either',
  },
  {
    lines: /ethtool .*-k/,
    json: /^\[v0\]\.(?!ifname|tx-tcp6?-segmentation|tcp-segmentation-offload|rx-checksumming)/,
    text: /^\t?(?!Features|[rt]x-checksumming|tcp-segmentation-offload|tx-tcp6?-segmentation)\S+: (on|off).*\n/gm,
    reason: 'features of a veth of the kernel and of softnet are not all the same',
  },
  {
    lines: /monitor route$/,
    text: /^Deleted .* mtu 1300 \n/gm,
    reason: 'of a route that is replaced softnet tells that the one before is gone',
  },
  {
    lines: /monitor neigh/,
    text: /^198\S+ FAILED \n/gm,
    reason: 'the kernel tells that a neighbour has failed before it tells that it is gone',
  },
  {
    lines: /netns( list)?$/,
    order: /./,
    reason: 'in the order of a directory',
  },
  {
    lines: /netns/,
    json: /^0\.nsid$/,
    text: /^nsid 0 \n/gm,
    reason: 'the other ends of lan0 and lan1 are in a net, where the host is of the kernel',
  },
  {
    lines: /netns|link show x0/,
    json: /nsid$|\.id$/,
    text: /(?<=nsid |id: )\d+/g,
    by: 'N',
    reason: 'which therefore has the first number',
  },
  {
    lines: /ethtool -l/,
    text: /(?<=^(RX|TX|Combined):\t+)\S+/gm,
    by: 'N',
    reason: 'a queue of softnet is for both ways, one of a veth of the kernel for one',
  },
  {
    lines: /ethtool -n v0/,
    text: /^Cannot get RX .*\n|^\d RX rings.*\n.*\n\n|^TCP over(.+\n)+\n|(failed|exit 0)$/gm,
    reason: 'a veth of the kernel hashes nothing',
  },
  {
    lines: /ethtool -n \w+$/,
    text: /^(rxclass|RX classification).*\n/gm,
    reason: 'ethtool asks on after the first no',
  },
  {
    lines: /ethtool -i/,
    text: /^version: .*$/gm,
    reason: 'drivers of softnet have no version of their own',
  },
  {
    lines: /netns exec/,
    text: / \(the daemon has no network namespace to run programs in.*\)$/gm,
    reason: 'what to do about it, in the words of softnet',
  },
  {
    lines: /ethtool .*nosuch/,
    text: /^netlink error: no device matches name \(offset 24\)\n| \(ifname: .*\)$/gm,
    reason: 'what to do about it, in the words of softnet',
  },
]
