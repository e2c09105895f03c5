/** What is wrong with a run (play.ts). The kind is what shrinking holds on to. */
export type FaultKind =
  | 'stalled'
  | 'corrupt'
  | 'error'
  | 'leak'
  | 'lost'
  | 'slow'
  | 'unfair'
  | 'queue'
  | 'route'
  | 'threw'

export class Fault extends Error {
  readonly kind: FaultKind
  constructor(kind: FaultKind, text: string) {
    super(text)
    this.kind = kind
  }
}
