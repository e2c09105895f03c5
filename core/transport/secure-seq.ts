/**
 * Keyed hashes of a connection: initial sequence numbers (RFC 6528), timestamp offsets and the start of a
 * search for a local port (RFC 6056), none of which an outsider may predict. HalfSipHash-2-4 of address
 * words and ports under the secret of the boot. Called once a connection, on workers.
 * Linux: net/core/secure_seq.c.
 */
const rotl = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

export type SecureSeq = ReturnType<typeof createSecureSeq>

/** `secret`: at least two random words. */
export const createSecureSeq = (secret: Int32Array) => {
  const key0 = secret[0]
  const key1 = secret[1]
  let v0 = 0
  let v1 = 0
  let v2 = 0
  let v3 = 0

  const round = (): void => {
    v0 = (v0 + v1) | 0
    v1 = rotl(v1, 5) ^ v0
    v0 = rotl(v0, 16)
    v2 = (v2 + v3) | 0
    v3 = rotl(v3, 8) ^ v2
    v0 = (v0 + v3) | 0
    v3 = rotl(v3, 7) ^ v0
    v2 = (v2 + v1) | 0
    v1 = rotl(v1, 13) ^ v2
    v2 = rotl(v2, 16)
  }
  const absorb = (word: number): void => {
    v3 ^= word
    round()
    round()
    v0 ^= word
  }
  const begin = (purpose: number): void => {
    v0 = key0
    v1 = key1
    v2 = 0x6c796765 ^ key0
    v3 = 0x74656462 ^ key1
    absorb(purpose)
  }
  const finish = (): number => {
    v2 ^= 0xff
    round()
    round()
    round()
    round()
    return (v1 ^ v3) | 0
  }

  /** Hash of the addresses (four words at each index of `words`), the ports and a purpose. */
  const flowHash = (
    words: Int32Array,
    saddr: number,
    daddr: number,
    sport: number,
    dport: number,
    purpose: number
  ): number => {
    begin(purpose)
    for (let w = 0; w < 4; w++) absorb(words[saddr + w])
    for (let w = 0; w < 4; w++) absorb(words[daddr + w])
    absorb((sport << 16) | dport)
    return finish()
  }

  return { flowHash }
}
