/** The terminal of a command that shows one picture after the other: its size, its keys, and all as it was at the end. */
type Screen = {
  readonly columns: number
  readonly rows: number
  draw(lines: readonly string[]): void
  /** Resolves after so long, or with the key that is pressed, or was since it was asked for last. */
  key(withinMs: number): Promise<string | undefined>
  close(): void
}

const ALTERNATE = '\u001b[?1049h\u001b[?25l'
const BACK = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'

/** Null where nobody sits: input or output is no terminal. */
export const openScreen = (out: (text: string) => void): Screen | null => {
  const { stdin, stdout } = process
  if (!stdin.isTTY || !stdout.isTTY) return null
  let pressed: string | undefined
  let heard: (() => void) | undefined
  const listen = (chunk: Buffer): void => {
    pressed = chunk.toString('latin1')
    heard?.()
  }
  stdin.setRawMode(true)
  stdin.on('data', listen)
  out(ALTERNATE)
  return {
    get columns() {
      return stdout.columns || 80
    },
    get rows() {
      return stdout.rows || 24
    },
    draw: (lines) => {
      const shown = lines.map((line) => line + CLEAR_LINE).join('\r\n')
      out(HOME + shown + CLEAR_BELOW)
    },
    key: async (withinMs) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      heard = resolve
      const timer = setTimeout(resolve, withinMs)
      if (pressed === undefined) await promise
      clearTimeout(timer)
      const key = pressed
      pressed = undefined
      return key
    },
    close: () => {
      stdin.off('data', listen)
      stdin.setRawMode(false)
      stdin.pause()
      out(BACK)
    },
  }
}
