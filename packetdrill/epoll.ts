/**
 * epoll of scripts: which files one is asked about, and which of them something has happened to since (eventpoll.c). The
 * stack's events put files on the list of those to look at, and what is told of them is what they are ready for then.
 */
import { Errno } from '../core/base/errno.ts'
import { POLLERR, POLLHUP } from '../core/socket/socket-constants.ts'

export const EPOLL = {
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLL_CTL_MOD: 3,
  EPOLLIN: 1,
  EPOLLPRI: 2,
  EPOLLOUT: 4,
  EPOLLERR: 8,
  EPOLLHUP: 0x10,
  EPOLLRDHUP: 0x2000,
  EPOLLEXCLUSIVE: 1 << 28,
  EPOLLONESHOT: 1 << 30,
  EPOLLET: 1 << 31,
}
const { EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } = EPOLL
const PRIVATE = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE
const ALWAYS = POLLERR | POLLHUP

type Item = { fd: number; events: number; data: number }
export type Epoll = ReturnType<typeof createEpoll>

/** `readiness`: what a file is ready for now, POLL* bits. */
export const createEpoll = (readiness: (fd: number) => number) => {
  const items = new Map<number, Item>()
  let ready: Item[] = []

  const isWanted = (item: Item, bits: number): boolean => (bits & item.events & ~PRIVATE) !== 0
  const look = (item: Item): void => {
    if (!ready.includes(item)) ready.push(item)
  }
  /** Something has happened to the file: `bits` of poll, -1 when it may be anything. */
  const wake = (fd: number, bits: number): void => {
    const item = items.get(fd)
    if (item !== undefined && isWanted(item, bits)) look(item)
  }
  const forget = (fd: number): void => {
    const item = items.get(fd)
    items.delete(fd)
    ready = ready.filter((each) => each !== item)
  }

  const add = (fd: number, events: number, data: number): number => {
    if (items.has(fd)) return -Errno.EEXIST
    const item = { fd, events: events | ALWAYS, data }
    items.set(fd, item)
    if (isWanted(item, readiness(fd))) look(item)
    return 0
  }
  const modify = (fd: number, events: number, data: number): number => {
    const item = items.get(fd)
    if (item === undefined) return -Errno.ENOENT
    if (((item.events | events) & EPOLLEXCLUSIVE) !== 0) return -Errno.EINVAL
    item.events = events | ALWAYS
    item.data = data
    if (isWanted(item, readiness(fd))) look(item)
    return 0
  }
  const control = (op: number, fd: number, events: number, data: number): number => {
    if ((events & EPOLLEXCLUSIVE) !== 0 && (events & EPOLLONESHOT) !== 0) return -Errno.EINVAL
    if (op === EPOLL_CTL_ADD) return add(fd, events, data)
    if (op === EPOLL_CTL_MOD) return modify(fd, events, data)
    if (op !== EPOLL_CTL_DEL) return -Errno.EINVAL
    if (!items.has(fd)) return -Errno.ENOENT
    forget(fd)
    return 0
  }

  /** Up to `most` files that are ready. */
  const take = (most: number): { events: number; data: number }[] => {
    const found: { events: number; data: number }[] = []
    const waiting = ready
    ready = []
    for (const item of waiting) {
      if (found.length === most) {
        look(item)
        continue
      }
      const events = readiness(item.fd) & item.events & ~PRIVATE
      if (events === 0) continue
      found.push({ events, data: item.data })
      // told once: nothing more until it is asked for anew; by edges: until something else happens
      if ((item.events & EPOLLONESHOT) !== 0) item.events &= PRIVATE
      else if ((item.events & EPOLLET) === 0) look(item)
    }
    return found
  }
  return { control, wake, forget, take }
}
