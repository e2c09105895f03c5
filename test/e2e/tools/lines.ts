// What both hosts are told, and what they are asked.

/** How the hosts are set up; each line is one of ip. */
export const SET_UP = `
sysctl -q -w net.ipv4.ip_forward=1
sysctl -q -w net.ipv6.conf.default.accept_dad=0
sysctl -q -w net.ipv6.conf.lan0.accept_dad=0
sysctl -q -w net.ipv6.conf.lan1.accept_dad=0
link set lo up
link add v0 index 5 numtxqueues 1 numrxqueues 1 type veth peer name v1 numtxqueues 1 numrxqueues 1
link add d0 index 7 mtu 1400 numtxqueues 1 numrxqueues 1 type veth peer name d1 numtxqueues 1 numrxqueues 1
link set v0 address 02:00:00:00:10:00
link set v1 address 02:00:00:00:10:01
link set d0 address 02:00:00:00:20:00
link set d1 address 02:00:00:00:20:01
link set lan0 up
link set lan1 up mtu 1450 txqueuelen 500
link set v0 up
link set v1 up
link set d0 up
link set d1 up
sysctl -q -w net.ipv6.conf.all.forwarding=1
link set d0 allmulticast on
link set lan1 promisc on
addr add 10.0.0.254/24 dev lan0
addr add 10.0.1.254/24 brd + dev lan1
addr add 10.0.0.253/24 dev lan0
addr add 192.0.2.1/32 dev lo
addr add 198.51.100.1/24 brd 198.51.100.255 dev d0 label d0:one
addr add 203.0.113.9/28 dev d0 scope link
addr add 169.254.7.7/16 dev v0 scope host valid_lft 40000 preferred_lft 0
addr add 10.9.0.1/24 dev v0 noprefixroute
addr add 10.9.0.2/24 dev v1 valid_lft 3000 preferred_lft 2000
addr add 2001:db8:0::fe/64 dev lan0 nodad
addr add 2001:db8:1::fe/64 dev lan1 nodad
addr add 2001:db8:20::1/64 dev d0 nodad preferred_lft 0
addr add 2001:db8:21::1/128 dev lo
addr add 2001:db8:22::1/64 dev d0 nodad noprefixroute valid_lft 5000 preferred_lft 4000
route add default via 10.0.0.1
route add 10.70.0.0/16 via 10.0.1.1 dev lan1 proto static metric 100 src 10.0.1.254
route add 10.71.0.0/16 dev d0 scope link mtu 1300 advmss 1200 initcwnd 20 rto_min 300ms
route add 10.71.0.0/16 via 10.0.0.1 metric 7 mtu lock 1280 hoplimit 9 window 9000 rtt 40ms ssthresh 7 quickack 1
route add 10.72.0.0/24 nexthop via 10.0.0.1 weight 3 nexthop via 10.0.1.1 dev lan1 weight 1
route add blackhole 10.73.0.0/24
route add unreachable 10.74.0.0/24 metric 9
route add prohibit 10.75.0.0/24 table 77
route add throw 10.76.0.0/24 table 77
route add 10.78.0.0/24 via 10.99.0.1 dev lan0 onlink
route add 10.79.0.0/24 via inet6 2001:db8:0::1 dev lan0
route add local 10.80.0.0/24 dev lo table local
route add 10.81.0.1 via 10.0.0.1 table 300 proto bgp
route append 10.70.0.0/16 via 10.0.0.1 proto ospf metric 100
-6 route add default via 2001:db8:0::1 dev lan0 metric 50
-6 route add 2001:db8:70::/48 via 2001:db8:1::1 proto static
-6 route add 2001:db8:71::/64 dev d0 mtu 1350
-6 route add 2001:db8:72::/64 nexthop via 2001:db8:0::1 dev lan0 nexthop via 2001:db8:1::1 dev lan1 weight 5
-6 route add blackhole 2001:db8:73::/64
-6 route add unreachable 2001:db8:74::/64 table 77
-6 route add 2001:db8:75::7 via 2001:db8:0::1 pref high
neigh add 10.0.0.7 lladdr 02:00:00:00:00:77 dev lan0 nud permanent
neigh add 10.0.0.8 lladdr 02:00:00:00:00:78 dev lan0 nud noarp
neigh add 10.0.1.7 lladdr 02:00:00:00:01:77 dev lan1 nud stale
neigh add 2001:db8:0::7 lladdr 02:00:00:00:00:77 dev lan0 nud permanent router
neigh add 2001:db8:1::7 lladdr 02:00:00:00:01:77 dev lan1 nud stale
neigh add proxy 10.0.0.200 dev lan0
neigh add proxy 2001:db8:0::200 dev lan0
rule add from 10.70.0.0/16 table 77
rule add to 10.71.0.0/16 iif lan0 table 300 pref 500
rule add fwmark 0x10/0xf0 lookup main pref 600
rule add not from 10.0.0.0/8 tos 0x10 blackhole pref 32800
rule add oif d0 unreachable pref 701
rule add iif nosuch prohibit pref 702
rule add ipproto tcp dport 80-90 sport 1000 lookup 300 pref 703
rule add pref 704 goto 32766
rule add pref 705 nop
rule add table main suppress_prefixlength 8 pref 706
-6 rule add from 2001:db8:70::/48 to 2001:db8:71::1 lookup 77 pref 800
nexthop add id 1 via 10.0.0.1 dev lan0
nexthop add id 2 via 10.0.1.1 dev lan1 proto static
nexthop add id 3 blackhole
nexthop add id 4 via 2001:db8:0::1 dev lan0
nexthop add id 5 dev d0
nexthop add id 10 group 1,3/2
route add 10.90.0.0/24 nhid 1
route add 10.91.0.0/24 nhid 10
-6 route add 2001:db8:90::/64 nhid 4
maddr add 01:00:5e:00:00:42 dev lan0
`
  .trim()
  .split('\n')
  .map((line) => (line.startsWith('sysctl') ? line : `ip ${line}`))

const OPTIONS = [
  '',
  '-j',
  '-d',
  '-j -d',
  '-s',
  '-j -s',
  '-o',
  '-br',
  '-j -br',
  '-s -s',
  '-j -s -s',
  '-d -s',
  '-j -d -s',
  '-4',
  '-6',
  '-j -4',
  '-j -6',
  '-j -p',
  '-o -d',
  '-o -s',
]
const ip = (objects: readonly string[]): string[] =>
  objects.flatMap((object) =>
    OPTIONS.map((options) => `ip ${options} ${object}`.replace(/ +/g, ' '))
  )

export const IP_LINES: string[] = ip([
  'link',
  'link show lan0',
  'link show up',
  'addr',
  'addr show dev d0',
  'addr show scope global',
  'addr show to 10.0.0.0/16',
  'addr show up',
  'route',
  'route show table all',
  'route show table local',
  'route show table 77',
  'route show dev lan0',
  'route show via 10.0.0.1',
  'route show proto static',
  'route show scope link',
  'route show type blackhole',
  'route show root 10.70.0.0/15',
  'route show match 10.72.0.1',
  'route show exact 10.71.0.0/16',
  'route show default',
  'neigh',
  'neigh show dev lan0',
  'neigh show proxy',
  'neigh show nud permanent',
  'neigh show nud all',
  'neigh show 10.0.0.7',
  'rule',
  'rule show pref 500',
  'rule show table 77',
  'nexthop',
  'nexthop show dev lan0',
  'nexthop show groups',
  'nexthop get id 10',
  'maddr',
  'maddr show dev lan0',
  'route get 10.70.1.1',
  'route get 10.73.0.1',
  'route get 8.8.8.8',
  'route get 10.0.0.254',
  'route get 10.0.1.255',
  'route get 224.0.0.5 oif lan0',
  'route get 10.1.1.1 from 10.0.0.1 iif lan0',
  'route get 10.71.1.1 mark 16',
  'route get 2001:db8:70::1',
  'route get 2001:db8::1',
  'route get 2001:db8:73::1',
])

/** The kernel's host has unix sockets, but none in states that only connections of TCP have. */
const FLAGS = [
  '-tuanoemi',
  '-tan',
  '-uan',
  '-tln',
  '-uln',
  '-lnt',
  '-tanH',
  '-tanO',
  '-tanO -i',
  '-tane',
  '-tano',
  '-tanm',
  '-tani',
  '-uanm',
  '-uane',
  '-4tan',
  '-6tan',
  '-tuan',
  '-an -t -u',
  '-tn',
  '-un',
  '-tnp',
  '-s',
  '-wan',
  '-w -a',
  '-0an',
  '-0',
  '-x state bucket',
  '-xa state bucket',
  '-xH state bucket',
  '-xt state bucket',
  '-x state syn-sent',
  '-M',
  '-S',
  '--tipc',
  '--vsock',
  '--xdp',
  '-A tcp,udp -an',
  '-A packet',
  '-A all,!netlink,!dccp,!packet,!unix -an',
  '-A !tcp',
  '-nf inet -t',
  '-f link',
  '-tan --tos',
  '-uan --tos',
  '-wan --tos',
  '-tanoe --tos',
  '-4tanH --tos',
  '-wE',
  '-x --events',
  '-n4u',
  '-nuw',
  '-ux state bucket',
]
export const SS_LINES = [
  ...FLAGS.map((flags) => `ss ${flags}`),
  'ss -tan state listening',
  'ss -tan state established',
  'ss -tan state connected',
  'ss -tan sport = :7',
  'ss -tan dport = :40001',
  'ss -tan src 10.0.0.254',
  'ss -tan dst 10.0.0.0/24',
  'ss -tuan sport = :7 or sport = :9',
  'ss -tan not sport = :7 or dst 10.0.0.0/24',
  'ss -tan src :7',
  'ss -tan dport geq :40000',
  'ss -tan dev lan0',
  'ss -tan fwmark = 0',
  'ss -tan fwmark != 0/0xff',
]
/** In their order: names, numbers of those that a link leads to, and what is refused. */
export const NETNS_LINES = `
ip netns
ip netns add blue
ip netns add blue
ip netns add red
ip netns
ip -j netns
ip -j -p netns list
ip link add x0 index 11 numtxqueues 1 numrxqueues 1 address 02:00:00:00:30:00 type veth peer name x1 address 02:00:00:00:30:01 netns blue
ip link show x0
ip -j link show x0
tc qdisc show dev x0
tc -j qdisc show dev x0
ip link set x0 up
ip -n blue link set lo up
ip -n blue link set x1 up
ip netns
ip -j netns
ip netns list
ip netns list-id
ip -j netns list-id
ip -j -p netns list-id
ip netns list-id nsid 5
ip link show x0
ip -j link show x0
ip -n blue addr add 10.44.0.1/24 dev x1
ip -n blue -br addr
ip -n blue -j route
ip -n nope link
ip netns add a/b
ip netns add .
ip netns add
ip netns del nope
ip netns del
ip netns foo
ip netns pids blue
ip netns pids nope
ip netns pids a/b
ip netns pids
ip netns pids blue red
ip netns identify
ip netns identify x
ip netns identify 99999999
ip netns identify 1 2
ip netns attach
ip netns attach x
ip netns attach x y
ip netns attach x 99999999
ip netns attach blue 1
ip netns set
ip netns set blue
ip netns set blue x
ip netns set blue -1
ip netns set nope 5
ip netns set blue 6
ip netns set red 0
ip netns del blue
ip netns
ip netns delete red
ip -j netns
ip netns exec nope true
ip netns exec
`
  .trim()
  .split('\n')
/** What is told of changes: what they are, and the words that the last of them is known by. */
export const MONITORED: readonly { line: string; changes: string; last: string }[] = [
  {
    line: 'ip monitor route',
    changes: `
      ip route add 10.95.0.0/24 via 10.0.0.1
      ip route add 10.95.1.0/24 dev d0 metric 5 mtu 1300
      ip route append 10.95.0.0/24 via 10.0.1.1
      ip route replace 10.95.1.0/24 dev d0 metric 5 mtu 1200
      ip route add blackhole 10.95.2.0/24 table 77
      ip -6 route add 2001:db8:95::/64 via 2001:db8:0::1 dev lan0
      ip -6 route del 2001:db8:95::/64 via 2001:db8:0::1 dev lan0
      ip route del blackhole 10.95.2.0/24 table 77
      ip route del 10.95.0.0/24 via 10.0.0.1
      ip route del 10.95.0.0/24 via 10.0.1.1
      ip route del 10.95.1.0/24`,
    last: 'Deleted 10.95.1.0/24 dev d0 scope link metric 5 mtu 1200',
  },
  {
    line: 'ip monitor route dev d0',
    changes: `
      ip route add 10.94.0.0/24 dev d0 metric 5
      ip route del 10.94.0.0/24 dev d0 metric 5`,
    last: 'Deleted 10.94.0.0/24',
  },
  {
    line: 'ip monitor address',
    changes: `
      ip addr add 10.96.0.1/24 dev d1
      ip addr add 10.96.0.2/24 dev d1 label d1:x valid_lft 500 preferred_lft 400
      ip addr change 10.96.0.2/24 dev d1 label d1:x valid_lft 600 preferred_lft 400
      ip addr del 10.96.0.2/24 dev d1
      ip addr del 10.96.0.1/24 dev d1`,
    last: 'Deleted 6: d1    inet 10.96.0.1',
  },
  {
    line: 'ip monitor rule',
    changes: `
      ip rule add pref 900 from 10.9.9.9 lookup 77
      ip -6 rule add pref 901 iif lan0 blackhole
      ip -6 rule del pref 901
      ip rule del pref 900`,
    last: 'Deleted 900:',
  },
  {
    line: 'ip monitor nexthop',
    changes: `
      ip nexthop add id 90 via 10.0.0.1 dev lan0
      ip nexthop add id 91 group 90
      ip nexthop replace id 90 via 10.0.0.2 dev lan0
      ip nexthop del id 91
      ip nexthop del id 90`,
    last: 'Deleted id 90',
  },
  {
    line: 'ip monitor neigh dev d1',
    changes: `
      ip neigh add 198.51.100.7 lladdr 02:00:00:00:00:99 dev d1 nud permanent
      ip neigh change 198.51.100.7 lladdr 02:00:00:00:00:98 dev d1 nud permanent
      ip neigh del 198.51.100.7 dev d1`,
    last: 'Deleted 198.51.100.7',
  },
  {
    line: 'ip monitor link',
    changes: `
      ip link set d1 mtu 1390
      ip link set d1 mtu 1400
      ip link set d1 promisc on
      ip link set d1 promisc off
      ip link set d1 mtu 1411`,
    last: 'mtu 1411',
  },
]
export const SYSCTL_LINES = [
  'sysctl net.ipv4.ip_forward',
  'sysctl -n net.ipv4.tcp_ecn net.ipv4.ip_default_ttl',
  'sysctl net/ipv6/conf/lan0/forwarding',
  'sysctl net.ipv4.nosuch',
  'sysctl -w net.ipv4.nosuch=1',
  'sysctl -w net.ipv4.ip_default_ttl=300',
  'sysctl -w net.ipv4.ip_default_ttl=63',
  'sysctl net.ipv4.ip_default_ttl',
  'sysctl net.ipv4.ip_default_ttl=64',
  'sysctl -q -w net.ipv4.ip_default_ttl=64',
  'sysctl -n -w net.ipv4.ip_default_ttl=64',
  'sysctl -w net.ipv4.conf.lan0.rp_filter=x',
]
const FILES = [
  ...['dev', 'route', 'arp', 'snmp', 'netstat', 'snmp6', 'if_inet6', 'ipv6_route', 'anycast6'],
  ...['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6'],
  ...['igmp', 'igmp6', 'dev_mcast', 'mcfilter', 'mcfilter6'],
]
export const PROC_LINES = FILES.map((file) => `cat /proc/net/${file}`)
export const ETHTOOL_LINES = [
  'ethtool -k v0',
  'ethtool --json -k v0',
  'ethtool -g v0',
  'ethtool -l v0',
  'ethtool -i v0',
  'ethtool -n v0',
  'ethtool -n v0 rx-flow-hash tcp4',
  'ethtool -n nosuch rx-flow-hash tcp4',
  'ethtool -n nosuch',
  ...['-k', '-x', '-l', '-g', '-S', '-i'].map((flag) => `ethtool ${flag} nosuch`),
]
export const NSTAT_LINES = [
  'nstat -saz',
  'nstat -saz -j',
  'nstat -saz Ip*',
  'nstat -saz Udp* Tcp?stab*',
  'nstat -saz -j TcpIn*',
  // since the last look, in their order; -r begins anew
  'nstat -n',
  'nstat Tcp*',
  'nstat -j Tcp*',
  'nstat -z TcpIn*',
  'nstat -r TcpPassive*',
  'nstat TcpPassive*',
  'nstat -a TcpPassive*',
  'nstat -s -j -z TcpPassive*',
  'nstat -j -p -z TcpPassive*',
  'nstat -rn TcpPassive*',
]
export const TC_LINES = ['', '-j', '-s', '-j -s', '-d', '-j -p'].flatMap((options) =>
  ['qdisc', 'qdisc show dev v0', 'qdisc show dev nosuch'].map((object) =>
    `tc ${options} ${object}`.replace(/ +/g, ' ')
  )
)
// a kernel may have been built without netem
TC_LINES.push(
  'tc qdisc del dev v0 root',
  'tc qdisc change dev v0 root netem delay 20ms',
  'tc qdisc add dev v0 root nosuch'
)
