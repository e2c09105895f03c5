/**
 * Flags of a change. `ip route add` is CREATE|EXCL, `replace` CREATE|REPLACE, `change` REPLACE, `append` CREATE|APPEND,
 * `prepend` CREATE. Linux: include/uapi/linux/netlink.h.
 */
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
