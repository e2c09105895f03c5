// Frames kept as they were shot, so that a failure can be tried again: the smallest run of last frames that fails on a
// fresh target by itself, as words for the command line.

import {
  RX_HEADROOM,
  SKB_CSUM_OFFSET,
  SKB_CSUM_START,
  SKB_DATA,
  SKB_GSO_SEGS,
  SKB_GSO_SIZE,
  SKB_GSO_TYPE,
  SKB_IP_SUMMED,
  SKB_LEN,
} from '../../core/skb/skb.ts'
import { createTarget, type Target } from './frame-target.ts'

const KEPT = 64

/** Link, microseconds since the frame before; checksum state, start and offset; size and type of segments; bytes. */
type Shot = { words: number[]; bytes: Uint8Array }

export const createHistory = (target: Target) => {
  const { i32, u8 } = target.arena
  const shots: Shot[] = []
  let next = 0
  /** Notes a frame that is about to be injected. */
  const note = (skb: number, link: number, us: number): void => {
    const at = i32[skb + SKB_DATA]!
    const bytes = u8.slice(at, at + i32[skb + SKB_LEN]!)
    const start = i32[skb + SKB_CSUM_START]! - at
    const words = [link, us, i32[skb + SKB_IP_SUMMED]!, start, i32[skb + SKB_CSUM_OFFSET]!]
    words.push(i32[skb + SKB_GSO_SIZE]!, i32[skb + SKB_GSO_TYPE]!)
    shots[next++ % KEPT] = { words, bytes }
  }
  /** The last frames, oldest first. */
  const last = (): Shot[] =>
    shots.length < KEPT ? shots : [...shots.slice(next % KEPT), ...shots.slice(0, next % KEPT)]
  return { note, last }
}

const inject = (target: Target, { words, bytes }: Shot): void => {
  const { i32, u8 } = target.arena
  const { skbs } = target.stack
  const [link, us, summed, start, offset, gsoSize, gsoType] = words as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  target.advance(us)
  const skb = skbs.alloc(bytes.length, RX_HEADROOM)
  const at = skbs.put(skb, bytes.length)
  u8.set(bytes, at)
  i32[skb + SKB_IP_SUMMED] = summed
  i32[skb + SKB_CSUM_START] = at + start
  i32[skb + SKB_CSUM_OFFSET] = offset
  i32[skb + SKB_GSO_SIZE] = gsoSize
  i32[skb + SKB_GSO_TYPE] = gsoType
  i32[skb + SKB_GSO_SEGS] = gsoSize === 0 ? 0 : Math.ceil(bytes.length / gsoSize)
  target.inject(skb, link)
}

/** Shoots at a fresh target: what went wrong, or nothing. */
const shoot = async (seed: number, shots: readonly Shot[]): Promise<string> => {
  const target = await createTarget(seed)
  try {
    for (const shot of shots) inject(target, shot)
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  return target.failed()
}

const encode = ({ words, bytes }: Shot): string =>
  `${words.join(',')}:${Buffer.from(bytes).toString('hex')}`
const decode = (text: string): Shot => {
  const [words = '', hex = ''] = text.split(':')
  return { words: words.split(',').map(Number), bytes: new Uint8Array(Buffer.from(hex, 'hex')) }
}

/** Says how to see a failure with as few frames as are enough, down to one. */
export const minimise = async (seed: number, shots: readonly Shot[]): Promise<string> => {
  for (let n = 1; n <= shots.length; n *= 2) {
    let least = shots.slice(-n)
    if ((await shoot(seed, least)) === '') continue
    // the frames that are not needed go, one by one; the last is the one that fails
    for (let k = 0; k < least.length - 1; ) {
      const fewer = least.filter((_, other) => other !== k)
      if ((await shoot(seed, fewer)) === '') k++
      else least = fewer
    }
    return `${least.length} of them are enough: bun test/fuzz/frames.ts --seed ${seed} --shoot ${least.map(encode).join(' ')}`
  }
  return 'the last frames alone are not enough'
}

/** What `--shoot` does with the words that minimise gave. */
export const shootAgain = (seed: number, words: readonly string[]): Promise<string> =>
  shoot(seed, words.map(decode))
