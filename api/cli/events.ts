/** The events of a stream of the API as its lines have them (text/event-stream): what stands between two empty lines. */

export async function* readEvents(
  body: ReadableStream<Uint8Array>
): AsyncGenerator<Record<string, string>> {
  const decoder = new TextDecoder()
  let waiting = ''
  for await (const chunk of body) {
    waiting += decoder.decode(chunk, { stream: true })
    for (let end = waiting.indexOf('\n\n'); end >= 0; end = waiting.indexOf('\n\n')) {
      const fields = waiting
        .slice(0, end)
        .split('\n')
        .map((line): [string, string] => {
          const colon = line.indexOf(': ')
          return [line.slice(0, colon), line.slice(colon + 2)]
        })
      waiting = waiting.slice(end + 2)
      yield Object.fromEntries(fields)
    }
  }
}
