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
    lines: /neigh/,
    json: /\.(used|confirmed|updated)$/,
    text: /(?<=used )\d+\/\d+\/\d+ ?/g,
    by: 'N',
    reason: 'seconds since; ip 6.1 forgets the blank that follows',
  },
]

/** Differences that stay. */
export const KNOWN: readonly Aside[] = [
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
    lines: /neigh|maddr/,
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
    lines: /route get/,
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
]
