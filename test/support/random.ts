// Numbers that look random and are the same each time.

/** A small generator with a seed: the same run every time. */
export const seeded = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) | 0
  }
}

export const randomBytes = (random: () => number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let k = 0; k < length; k++) bytes[k] = random()
  return bytes
}
