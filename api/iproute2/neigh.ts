/** Neighbours as `ip neigh` prints them. iproute2: ip/ipneigh.c. */
import type { NeighItem } from '../../core/control/text/messages.ts'

export type NeighShow = { readonly stats?: boolean; readonly omitDev?: boolean }

export const neighJson = (
  neigh: NeighItem,
  { stats, omitDev }: NeighShow = {}
): Record<string, unknown> => ({
  dst: neigh.dst,
  ...(omitDev ? {} : { dev: neigh.dev }),
  ...(neigh.lladdr === undefined ? {} : { lladdr: neigh.lladdr }),
  // ip -j says null for a flag that is set.
  ...(neigh.router ? { router: null } : {}),
  ...(neigh.proxy ? { proxy: null } : {}),
  ...(stats && !neigh.proxy
    ? {
        ...(neigh.refcnt ? { refcnt: neigh.refcnt } : {}),
        used: neigh.used ?? 0,
        confirmed: neigh.confirmed ?? 0,
        updated: neigh.updated ?? 0,
        probes: neigh.probes ?? 0,
      }
    : {}),
  ...(neigh.proxy ? {} : { state: neigh.state }),
  ...(neigh.protocol === undefined ? {} : { protocol: neigh.protocol }),
})

export const neighText = (neigh: NeighItem, { stats, omitDev }: NeighShow = {}): string => {
  const words = [neigh.dst]
  if (!omitDev) words.push(`dev ${neigh.dev}`)
  if (neigh.lladdr !== undefined) words.push(`lladdr ${neigh.lladdr}`)
  if (neigh.router) words.push('router')
  if (neigh.proxy) words.push('proxy')
  let text = `${words.join(' ')} `
  if (stats && !neigh.proxy) {
    if (neigh.refcnt) text += ` ref ${neigh.refcnt}`
    text += ` used ${neigh.used ?? 0}/${neigh.confirmed ?? 0}/${neigh.updated ?? 0} probes ${neigh.probes ?? 0} `
  }
  if (!neigh.proxy) text += `${neigh.state.join(',')} `
  return neigh.protocol === undefined ? text : `${text}proto ${neigh.protocol} `
}

/** `ip -br neigh`. */
export const neighBrief = (neigh: NeighItem, { omitDev }: NeighShow = {}): string => {
  const dev = omitDev ? '' : `${neigh.dev.padEnd(16)} `
  return `${neigh.dst.padEnd(39)} ${dev}${neigh.lladdr ?? ''}`
}
/** `ip -j -br neigh`. */
export const neighBriefJson = ({ dst, dev, lladdr }: NeighItem, { omitDev }: NeighShow = {}) => ({
  dst,
  ...(!omitDev && { dev }),
  ...(lladdr !== undefined && { lladdr }),
})
