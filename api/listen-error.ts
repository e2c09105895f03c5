/** Why an address cannot be listened on, in one line. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}
