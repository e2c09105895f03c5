// What transfers carry, so that a byte that is wrong, missing or twice there is seen.

/** Byte k of the stream. */
export const pattern = (k: number): number => (Math.imul(k, 2654435761) >>> 13) & 0xff
