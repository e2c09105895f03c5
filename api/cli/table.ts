/** Columns for a terminal: numbers to the right, text to the left, no blanks at the end of a line. */

export const table = (
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  leftColumns: readonly string[] = []
): string[] => {
  const lines = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)))
  return lines.map((line) =>
    line
      .map((text, i) =>
        leftColumns.includes(head[i]!) ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)
      )
      .join('  ')
      .trimEnd()
  )
}
