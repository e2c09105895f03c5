// A case of the twin test: frames and changes of configuration, in order. Written as one line of text, so that a failure
// can be played again: steps apart by ";", a frame as `LINK HEX`, a change as the line that `ip` or `sysctl` take.

export type FrameStep = { do: 'frame'; link: number; frame: Uint8Array }
/** A change, and what takes it back before the next case. */
export type ChangeStep = { do: 'run'; line: string; undo: readonly string[] }
export type Step = FrameStep | ChangeStep
export type Case = readonly Step[]

/** Links are numbered from 1, as `eth1` is. */
export const linkName = (link: number): string => `eth${link}`

const encodeStep = (step: Step): string =>
  step.do === 'run'
    ? step.line
    : `${linkName(step.link)} ${Buffer.from(step.frame).toString('hex')}`
export const encodeCase = (steps: Case): string => steps.map(encodeStep).join('; ')

const decodeStep = (text: string): Step => {
  const [, link, hex] = /^eth(\d+) ([0-9a-f]*)$/.exec(text) ?? []
  if (hex === undefined) return { do: 'run', line: text, undo: [] }
  return { do: 'frame', link: Number(link), frame: new Uint8Array(Buffer.from(hex, 'hex')) }
}
export const decodeCase = (text: string): Case =>
  text
    .split(';')
    .map((step) => step.trim())
    .filter((step) => step !== '')
    .map(decodeStep)
