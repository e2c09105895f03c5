/**
 * The words that several resources share: addresses, prefixes, names, numbers. The same schemas check a request's
 * body, its path and query, and the TOML file. Complaints are iproute2's.
 */
import { z } from 'zod'
import { parseAddr, parseMac, parsePrefix } from '../../core/wire/text.ts'

export const familyName = z.enum(['inet', 'inet6'])

export const ifname = z
  .string()
  .regex(/^[^\s/:]{1,15}$/, { error: (issue) => `"${String(issue.input)}" is no valid ifname` })
  .refine((name) => name !== '.' && name !== '..', { error: '"." and ".." are no ifname' })
  .meta({ description: 'name of a link, at most 15 characters' })
/** A namespace's is a file's. */
export const netnsName = z.string().min(1).max(255)

export const address = z
  .string()
  .refine((text) => parseAddr(text) !== null, {
    error: (issue) => `any valid address is expected rather than "${String(issue.input)}".`,
  })
  .meta({ description: 'an IPv4 or IPv6 address' })

export const prefix = z
  .string()
  .refine((text) => parsePrefix(text) !== null, {
    error: (issue) => `any valid prefix is expected rather than "${String(issue.input)}".`,
  })
  .meta({ description: 'ADDR/LEN; without a length it is the one address' })

/** What a route leads to. */
export const destination = z
  .string()
  .refine((text) => text === 'default' || parsePrefix(text) !== null, {
    error: (issue) => `any valid prefix is expected rather than "${String(issue.input)}".`,
  })
  .meta({ description: '"default", ADDR/LEN, or the one address' })

export const lladdr = z
  .string()
  .refine((text) => parseMac(text) !== null, {
    error: (issue) => `"${String(issue.input)}" is invalid lladdr.`,
  })
  .meta({ description: 'a MAC address' })

export const u32 = z.int().min(0).max(0xffffffff)
export const tos = z.int().min(0).max(255)

/** A name of rt_tables, rt_protos or rt_scopes, or a number. */
export const nexthopId = u32.min(1)
export const nameOrNumber = z.union([z.string().min(1).max(64), u32])

/** A number in a query string. */
export const queryNumber = z
  .string()
  .regex(/^\d{1,10}$/, { error: 'expected a number' })
  .transform(Number)

/** A switch in a query string: present and not 0. */
export const queryFlag = z
  .string()
  .regex(/^(|0|1|true|false)$/, { error: 'expected 0 or 1' })
  .transform((text) => text !== '0' && text !== 'false')
