// Bytes that look random and are the same each time.

export { seeded } from '../../core/base/random.ts'

export const randomBytes = (random: () => number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let k = 0; k < length; k++) bytes[k] = random()
  return bytes
}
