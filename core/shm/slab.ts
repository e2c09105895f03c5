/**
 * A slab: rows of one kind in the arena, with a LIFO free stack. A row's name (handle) is the word index of its
 * start; word 0 of a row is its generation, odd while the row is live, so that a stale handle is caught, also by an
 * owner that has started over: generations only rise, and so does the serial number.
 *
 * Region: 32 header words, `rows` words of free stack, then the rows. One thread allocates and frees; any
 * thread may read. Linux: kmem_cache.
 */
const DEPTH = 0
const LIVE = 1
const HIGH = 2
/** Numbers given out ever. */
const SERIAL = 3
const HEADER = 32

export type Slab = ReturnType<typeof createSlab>

/** Words that a slab of `rows` rows of `rowWords` words takes. */
export const slabWords = (rows: number, rowWords: number): number => HEADER + rows + rows * rowWords

/** A slab over the region at `base`; `fresh` makes it empty (its owner does so, whenever it starts). */
export const createSlab = (
  i32: Int32Array,
  base: number,
  rows: number,
  rowWords: number,
  fresh: boolean
) => {
  const stack = base + HEADER
  // rows start on a cache line when the region and the number of rows do
  const first = stack + rows
  const start = (): void => {
    // a forerunner's: its handles must not fit the next one that lives there
    for (let k = 0; k < i32[base + HIGH]; k++) {
      const row = first + k * rowWords
      if ((i32[row] & 1) === 1) i32[row] = (i32[row] + 1) | 0
    }
    i32[base + LIVE] = 0
    i32[base + HIGH] = 0
    i32[base + DEPTH] = 0
  }
  if (fresh) start()

  /** The row that was freed last, else the first that never lived: what is never needed takes no memory. */
  const unused = (): number => {
    const depth = i32[base + DEPTH]
    if (depth !== 0) {
      i32[base + DEPTH] = depth - 1
      return i32[stack + depth - 1]
    }
    return i32[base + HIGH] < rows ? first + i32[base + HIGH]++ * rowWords : 0
  }
  /** A zeroed row, or 0 when the slab is full. */
  const alloc = (): number => {
    const row = unused()
    if (row === 0) return 0
    const generation = (i32[row] + 1) | 0
    i32.fill(0, row, row + rowWords)
    i32[row] = generation
    i32[base + LIVE]++
    return row
  }
  /** Frees a live row. Throws on a row that is not live. */
  const free = (row: number): void => {
    const generation = i32[row]
    if ((generation & 1) === 0) throw new Error(`slab: row ${row} freed twice`)
    i32[row] = (generation + 1) | 0
    i32[stack + i32[base + DEPTH]] = row
    i32[base + DEPTH]++
    i32[base + LIVE]--
  }
  const isLive = (row: number): boolean => (i32[row] & 1) === 1
  const live = (): number => i32[base + LIVE]
  /** Most rows that ever lived at a time: none beyond the first so many was ever used. */
  const high = (): number => i32[base + HIGH]
  /** A number that this slab has not given out before. Its owner's to ask. */
  const serial = (): number => {
    i32[base + SERIAL] = (i32[base + SERIAL] + 1) | 0
    return i32[base + SERIAL]
  }
  /** Row of index k, live or not. */
  const at = (k: number): number => first + k * rowWords
  const indexOf = (row: number): number => ((row - first) / rowWords) | 0

  return { alloc, free, isLive, live, high, serial, at, indexOf, rows, first }
}
