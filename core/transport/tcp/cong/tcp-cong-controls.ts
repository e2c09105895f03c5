/** The congestion controls there are, by TP_CA_OPS and the sysctl's word; the first is every boot's default. */
import { bbr } from './tcp-bbr.ts'
import type { CongestionControl } from './tcp-cong.ts'
import { cubic } from './tcp-cubic.ts'
import { dctcp } from './tcp-dctcp.ts'
import { reno } from './tcp-reno.ts'

export const CONGESTION_CONTROLS: readonly CongestionControl[] = [cubic, reno, dctcp, bbr]
