/** Bytes of a connection whose turn has not come: one buffer that grows as they come. Application thread only. */
const LEAST = 1024

export class Inbox {
  bytes = Buffer.allocUnsafeSlow(LEAST)
  /** What waits lies from `from` to `to`. */
  from = 0
  to = 0

  append(source: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.to + length > this.bytes.length) this.#makeRoom(length)
    this.bytes.set(source.subarray(start, end), this.to)
    this.to += length
  }
  #makeRoom(length: number): void {
    const held = this.to - this.from
    const bytes =
      (held + length) * 2 > this.bytes.length
        ? Buffer.allocUnsafeSlow((held + length) * 2)
        : this.bytes
    bytes.set(this.bytes.subarray(this.from, this.to))
    this.bytes = bytes
    this.from = 0
    this.to = held
  }
}
