/**
 * Netfilter's numbers: the hooks, what a hook function answers, and the priorities by which functions of one hook come
 * after each other. Linux: include/uapi/linux/netfilter.h, netfilter_ipv4.h.
 */

export const NF_INET_PRE_ROUTING = 0
export const NF_INET_LOCAL_IN = 1
export const NF_INET_FORWARD = 2
export const NF_INET_LOCAL_OUT = 3
export const NF_INET_POST_ROUTING = 4
export const NF_INET_NUMHOOKS = 5

/** Verdicts: the packet dies; goes on; is the hook's own; waits in a queue; meets the same function again. */
export const NF_DROP = 0
export const NF_ACCEPT = 1
export const NF_STOLEN = 2
export const NF_QUEUE = 3
export const NF_REPEAT = 4
/** What a hook's run answers for a packet that goes on; otherwise it is gone: 0 (stolen, queued), or -errno. */
export const NF_PASSED = 1
/** The upper half of a verdict is NF_QUEUE's queue number, or NF_DROP's errno. */
export const NF_VERDICT_MASK = 0xff
export const NF_VERDICT_QBITS = 16

export const NF_IP_PRI_CONNTRACK = -200
export const NF_IP_PRI_FILTER = 0
export const NF_IP_PRI_NAT_SRC = 100
