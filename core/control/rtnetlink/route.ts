/** Routes, what is asked of them, and what of their dumps. */
import type { Metrics } from '../../shm/dst-metrics.ts'
import type { Words } from '../../wire/text.ts'

export type RouteQuery = {
  family: number
  dst: Words
  /** Null: chosen. */
  src: Words | null
  /** 0: the packet is our own. */
  iif: number
  oif: number
  tos: number
  mark: number
  proto: number
  sport: number
  dport: number
}
export type RouteAnswer = {
  family: number
  type: number
  gateway: { family: number; words: Words } | null
  dev: number
  table: number
  /** Of the route, not of the answer: what IPv6 tells. */
  protocol: number
  metric: number
  prefsrc: Words
  metrics: Metrics | null
  /** It goes on, though it is to everybody. */
  isForwarded: boolean
  /** Seconds until what was learned of the destination ends; null: there is nothing, or it does not end. */
  expires: number | null
  /** RTCF_REDIRECTED: a router has told of the gateway. */
  isRedirected: boolean
  /** RTCF_DOREDIRECT: it goes back where it came from, and its sender would be told of a nearer way. */
  wantsRedirect: boolean
}
export type RouteFilter = {
  /** 0 is every family, and every table. */
  family: number
  table: number
  /** Exactly this prefix. */
  dst?: { family: number; words: Words; plen: number }
  dev?: number
  type?: number
  protocol?: number
  scope?: number
}
