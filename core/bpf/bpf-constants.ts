/**
 * Classic BPF, the machine that packet filters are programs of: an accumulator A, an index X, sixteen words M, and jumps
 * forwards alone. An instruction is two words here: code, jt and jf in the first (16, 8 and 8 bits), k in the second.
 * McCanne and Jacobson 1993; Linux: include/uapi/linux/bpf_common.h, filter.h.
 */
export const INSN_WORDS = 2
/** Instructions of a program at most (Linux: BPF_MAXINSNS 4096). */
export const BPF_MAXINSNS = 1024
export const BPF_MEMWORDS = 16

// classes
export const BPF_LD = 0x00
export const BPF_LDX = 0x01
export const BPF_ST = 0x02
export const BPF_STX = 0x03
export const BPF_ALU = 0x04
export const BPF_JMP = 0x05
export const BPF_RET = 0x06
export const BPF_MISC = 0x07

// sizes and modes of loads
export const BPF_W = 0x00
export const BPF_H = 0x08
export const BPF_B = 0x10
export const BPF_IMM = 0x00
export const BPF_ABS = 0x20
export const BPF_IND = 0x40
export const BPF_MEM = 0x60
export const BPF_LEN = 0x80
export const BPF_MSH = 0xa0

// ALU and jumps
export const BPF_ADD = 0x00
export const BPF_SUB = 0x10
export const BPF_MUL = 0x20
export const BPF_DIV = 0x30
export const BPF_OR = 0x40
export const BPF_AND = 0x50
export const BPF_LSH = 0x60
export const BPF_RSH = 0x70
export const BPF_NEG = 0x80
export const BPF_MOD = 0x90
export const BPF_XOR = 0xa0
export const BPF_JA = 0x00
export const BPF_JEQ = 0x10
export const BPF_JGT = 0x20
export const BPF_JGE = 0x30
export const BPF_JSET = 0x40
export const BPF_K = 0x00
export const BPF_X = 0x08
export const BPF_A = 0x10
export const BPF_TAX = 0x00
export const BPF_TXA = 0x80

/** What the packet does not hold is loaded from there on (linux/filter.h: SKF_AD_*). */
export const SKF_AD_OFF = -0x1000
export const SKF_AD_PROTOCOL = 0
export const SKF_AD_PKTTYPE = 4
export const SKF_AD_IFINDEX = 8
export const SKF_AD_MARK = 20
export const SKF_AD_RXHASH = 32
export const SKF_AD_CPU = 36
export const SKF_AD_VLAN_TAG = 44
export const SKF_AD_VLAN_TAG_PRESENT = 48
