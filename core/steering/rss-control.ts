/**
 * The control side of receive-side scaling, `ethtool -x/-X/-n/-N/-L`: the only writer of a device's
 * RSS state (laid out in rss.ts), on the control thread. Readers notice a change by its sequence
 * number. Linux counterpart: net/ethtool/rss.c, and the ethtool command where it fills the table.
 */
import { type Bytes, i32, putI32 } from '../base/bytes.ts'
import {
  CHANNELS,
  FIELDS,
  FOUR_TUPLE,
  INDIR,
  IS_DEFAULT,
  KEY,
  PORTS,
  RSS_FLOW_TYPES,
  RSS_INDIR_SIZE,
  RSS_IP4,
  RSS_IP6,
  RXH_IP_DST,
  RXH_IP_SRC,
  RXH_L4_B_0_1,
  RXH_L4_B_2_3,
  SEQUENCE,
  SYMMETRIC,
  TWO_TUPLE,
} from './rss.ts'
import { RSS_KEY_LEN } from './toeplitz.ts'

/** As ethtool -N names them. */
const FIELD_LETTERS: readonly [string, number][] = [
  ['s', RXH_IP_SRC],
  ['d', RXH_IP_DST],
  ['f', RXH_L4_B_0_1],
  ['n', RXH_L4_B_2_3],
]

/** The letters of `ethtool -N ... rx-flow-hash`; null for any other. */
export const parseHashFields = (text: string): number | null => {
  let fields = 0
  for (const letter of text) {
    const found = FIELD_LETTERS.find(([name]) => name === letter)
    if (found === undefined) return null
    fields |= found[1]
  }
  return fields
}

export const formatHashFields = (fields: number): string =>
  FIELD_LETTERS.map(([letter, bit]) => (fields & bit ? letter : '')).join('')

/** Control thread only. A setter answers false, and changes nothing, where Linux answers EINVAL. */
export const createRssControl = (state: Int32Array) => {
  const channels = (): number => state[CHANNELS]

  const change = (apply: () => void): true => {
    Atomics.add(state, SEQUENCE, 1)
    apply()
    Atomics.add(state, SEQUENCE, 1)
    return true
  }

  const writeKey = (key: Bytes): void => {
    for (let i = 0; i < RSS_KEY_LEN / 4; i++) state[KEY + i] = i32(key, i * 4)
  }

  const writeEqual = (count: number): void => {
    for (let i = 0; i < RSS_INDIR_SIZE; i++) state[INDIR + i] = i % count
  }

  /** As the fields of a flow type begin: ports for TCP and UDP. */
  const fieldsAtFirst = (type: number): number =>
    type === RSS_IP4 || type === RSS_IP6 ? TWO_TUPLE : FOUR_TUPLE

  /** Once, before readers start: key from the boot's randomness, ports hashed for TCP and UDP. */
  const init = (count: number, key: Bytes): void => {
    change(() => {
      state[CHANNELS] = count
      state[SYMMETRIC] = 0
      state[IS_DEFAULT] = 1
      for (let type = 0; type < RSS_FLOW_TYPES; type++) {
        state[FIELDS + type] = fieldsAtFirst(type)
      }
      writeKey(key)
      writeEqual(count)
    })
  }

  const setKey = (key: Bytes): boolean => key.length === RSS_KEY_LEN && change(() => writeKey(key))

  const setIndirection = (table: ArrayLike<number>): boolean => {
    const queues = Array.from(table)
    const isValid = (queue: number): boolean =>
      Number.isInteger(queue) && queue >= 0 && queue < channels()
    if (queues.length !== RSS_INDIR_SIZE || !queues.every(isValid)) return false
    return change(() => {
      state[IS_DEFAULT] = 0
      state.set(queues, INDIR)
    })
  }

  /** `ethtool -X DEV equal N`: the first N queues share alike. */
  const setEqual = (count: number): boolean =>
    Number.isInteger(count) &&
    count >= 1 &&
    count <= channels() &&
    change(() => {
      state[IS_DEFAULT] = 0
      writeEqual(count)
    })

  /** `ethtool -X DEV weight W0 W1 ...`: each queue gets a block of the table in proportion. */
  const setWeights = (weights: readonly number[]): boolean => {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const isValid = (weight: number): boolean => Number.isInteger(weight) && weight >= 0
    if (weights.length > channels() || !weights.every(isValid) || total === 0) return false
    return change(() => {
      state[IS_DEFAULT] = 0
      let queue = 0
      let upTo = weights[0]
      for (let i = 0; i < RSS_INDIR_SIZE; i++) {
        while (i * total >= RSS_INDIR_SIZE * upTo) upTo += weights[++queue]
        state[INDIR + i] = queue
      }
    })
  }

  /** `ethtool -X DEV default`. */
  const setDefault = (): boolean =>
    change(() => {
      state[IS_DEFAULT] = 1
      writeEqual(channels())
    })

  /** `ethtool -L`: a table set by hand must not name a queue that goes away. */
  const setChannels = (count: number): boolean => {
    if (!Number.isInteger(count) || count < 1) return false
    if (!isDefault() && indirection().some((queue) => queue >= count)) return false
    return change(() => {
      state[CHANNELS] = count
      if (isDefault()) writeEqual(count)
    })
  }

  /** Ports mean nothing for other protocols; a symmetric hash needs both of a pair. */
  const setHashFields = (type: number, fields: number): boolean => {
    if (!(type >= 0 && type < RSS_FLOW_TYPES) || (fields & ~FOUR_TUPLE) !== 0) return false
    if ((type === RSS_IP4 || type === RSS_IP6) && (fields & PORTS) !== 0) return false
    if (isSymmetric() && !isPaired(fields)) return false
    return change(() => {
      state[FIELDS + type] = fields
    })
  }

  /** ethtool's symmetric-xor: both directions of a flow hash alike. */
  const setSymmetric = (on: boolean): boolean => {
    const fields = Array.from({ length: RSS_FLOW_TYPES }, (_, type) => hashFields(type))
    if (on && !fields.every(isPaired)) return false
    return change(() => {
      state[SYMMETRIC] = on ? 1 : 0
    })
  }

  const indirection = (): number[] => Array.from(state.slice(INDIR, INDIR + RSS_INDIR_SIZE))
  const hashFields = (type: number): number => state[FIELDS + type]
  const isDefault = (): boolean => state[IS_DEFAULT] === 1
  const isSymmetric = (): boolean => state[SYMMETRIC] === 1
  const key = (): Bytes => {
    const bytes = new Uint8Array(RSS_KEY_LEN)
    for (let i = 0; i < RSS_KEY_LEN / 4; i++) putI32(bytes, i * 4, state[KEY + i])
    return bytes
  }

  return {
    init,
    setKey,
    setIndirection,
    setEqual,
    setWeights,
    setDefault,
    setChannels,
    setHashFields,
    setSymmetric,
    indirection,
    hashFields,
    fieldsAtFirst,
    isDefault,
    isSymmetric,
    channels,
    key,
  }
}

const isPaired = (fields: number): boolean => {
  const addrs = fields & TWO_TUPLE
  const ports = fields & PORTS
  return (addrs === 0 || addrs === TWO_TUPLE) && (ports === 0 || ports === PORTS)
}
