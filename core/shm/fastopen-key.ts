/**
 * net.ipv4.tcp_fastopen_key as text: four words in hexadecimal of a key, and of a second one behind a comma, which makes no
 * cookies but still knows those that it has made. Control and the command line. Linux: proc_tcp_fastopen_key.
 */

const WORDS = 4
const KEY = /^[0-9a-f]{1,8}(?:-[0-9a-f]{1,8}){3}$/i

/** The words of both keys and how many are set (shm/sysctl.ts), or null. */
export const parseFastopenKeys = (text: string): number[] | null => {
  const keys = text.split(',').map((key) => key.trim())
  if (keys.length > 2 || !keys.every((key) => KEY.test(key))) return null
  const words = keys.flatMap((key) => key.split('-').map((word) => Number.parseInt(word, 16) | 0))
  return [...words, ...new Array(2 * WORDS - words.length).fill(0), keys.length]
}

const keyText = (words: readonly number[]): string =>
  words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('-')
export const fastopenKeysText = (words: readonly number[]): string =>
  words[2 * WORDS] === 2
    ? `${keyText(words.slice(0, WORDS))},${keyText(words.slice(WORDS, 2 * WORDS))}`
    : keyText(words.slice(0, WORDS))
