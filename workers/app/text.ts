/**
 * Text to and from bytes, by the functions that Node's Buffer has beneath `write` and `toString`: these look up the
 * encoding's name in each call, which takes longer (30 ns) than a short text does. Application thread only.
 */
type TextBytes = {
  latin1Write: (text: string, at: number, length: number) => number
  utf8Write: (text: string, at: number, length: number) => number
  latin1Slice: (from: number, to: number) => string
}
const textBytes = (bytes: Buffer): TextBytes => bytes as unknown as TextBytes

/** Writes a text of characters below 256. */
export const writeLatin1 = (bytes: Buffer, text: string, at: number): void => {
  textBytes(bytes).latin1Write(text, at, text.length)
}
/** Writes a text that takes `length` bytes in UTF-8. */
export const writeUtf8 = (bytes: Buffer, text: string, at: number, length: number): void => {
  textBytes(bytes).utf8Write(text, at, length)
}
/** The bytes from `from` to `to`, a character each. */
export const latin1Of = (bytes: Buffer, from: number, to: number): string =>
  textBytes(bytes).latin1Slice(from, to)
