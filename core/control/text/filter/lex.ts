/** Words of a filter expression (pcap-filter(7)): names, numbers, addresses, operators. */

/** A filter that can't be read: what is wrong, and where. */
export class FilterError extends Error {}

// an address or a number may hold dots, colons and dashes between its digits; operators are the longest that fit
const WORD = /[A-Za-z0-9_\\][A-Za-z0-9_.\\-]*/y
const COLONS = /(?:[0-9A-Fa-f]{0,4}:){2,}[0-9A-Fa-f:.]*(?:\/\d+)?/y
const OPERATOR = /<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^<>=!()[\]:]/y

export const tokens = (text: string): string[] => {
  const found: string[] = []
  let at = 0
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at++
      continue
    }
    const match = [COLONS, WORD, OPERATOR]
      .map((pattern) => {
        pattern.lastIndex = at
        return pattern.exec(text)?.[0]
      })
      .find((one) => one !== undefined)
    if (match === undefined) throw new FilterError(`illegal token: ${text[at]}`)
    found.push(match)
    at += match.length
  }
  return found
}
