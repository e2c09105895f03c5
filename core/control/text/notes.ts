/**
 * Notifications in words. A name is the one that the device had then: links are remembered as the notifications so far
 * have told of them. iproute2: lib/ll_map.c (ll_remember_index).
 */
import type { ControlPlane } from '../control.ts'
import type * as numbers from '../rtnetlink.ts'
import { writeAddresses } from './addr.ts'
import { plainDump } from './dumps.ts'
import { writeLink } from './link.ts'
import { writeDrops } from './drops.ts'
import type { LinkItem, Notification, WatchKind } from './messages.ts'
import { writeNeigh } from './neigh.ts'
import { writeBucket, writeNexthop } from './nexthop.ts'
import { writeRoute } from './route.ts'
import { writeRule } from './rule.ts'
import { writeSock } from './sock.ts'

export const createNotes = (
  plane: Pick<ControlPlane, 'subscribe' | 'dump' | 'ifindexOf' | 'nameOf'>
) => {
  /** Also of links that are gone, until another has their number. */
  const linksTold = new Map<number, numbers.LinkInfo>()
  plane.subscribe(['link'], (note) => {
    if (note.kind === 'link') linksTold.set(note.item.ifindex, note.item)
  })
  const nameThen = (ifindex: number): string =>
    linksTold.get(ifindex)?.name ?? plane.nameOf(ifindex)
  const namesThen = { ifindexOf: plane.ifindexOf, nameOf: nameThen }
  const linkThen = (ifindex: number): LinkItem => {
    const known = linksTold.get(ifindex)
    if (known !== undefined) return writeLink(known, nameThen)
    // lo, of which nothing was told yet
    const [link] = [...plainDump(plane, { type: 'RTM_GETLINK', filter: { ifindex } })].flat()
    return writeLink(link, nameThen)
  }
  const inWords = (note: numbers.Notification): Notification => {
    switch (note.kind) {
      case 'route':
        return { ...note, item: writeRoute(note.item, namesThen) }
      case 'rule':
        return { ...note, item: writeRule(note.item, namesThen.ifindexOf) }
      case 'nexthop':
        return { ...note, item: writeNexthop(note.item, namesThen) }
      case 'nexthop_bucket':
        return { ...note, item: writeBucket(note.item) }
      case 'link':
        return { ...note, item: writeLink(note.item, nameThen) }
      case 'address':
        return { ...note, item: writeAddresses(linkThen(note.item.ifindex), [note.item]) }
      case 'neigh':
        return { ...note, item: writeNeigh(note.item, namesThen) }
      case 'socket':
        return { ...note, item: writeSock(note.item, nameThen) }
      case 'drop':
        return { ...note, item: writeDrops(note.item, nameThen) }
      case 'netns':
      case 'worker':
        return note
    }
  }
  const subscribe = (kinds: readonly WatchKind[], fn: (note: Notification) => void): (() => void) =>
    plane.subscribe(kinds, (note) => fn(inWords(note)))
  return subscribe
}
