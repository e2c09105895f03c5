/** /problems and /problems/NAME: what the `type` of a refusal leads to (RFC 9457 section 3.1.1), made of the table of kinds. */
import { html } from 'hono/html'
import { KINDS, type Kind, type KindName, typeOf } from '../problem-kinds.ts'

const page = (title: string, body: unknown) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: softnet</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page/main.css">
</head>
<body class="docs">
<main>
<h1>${title}</h1>
${body}
<p class="soft"><a href="/problems">All problems</a>, <a href="/docs">the API</a></p>
</main>
</body>
</html>
`

const problemPage = ({ status, title, errno, means, todo }: Kind) =>
  page(
    title,
    html`<p class="soft"><code>${status}</code> <code>${errno ?? ''}</code></p>
<p>${means}</p>
<p>${todo}</p>`
  )

const row = ([name, { status, title, means }]: [string, Kind]) => html`<tr>
<td><code>${status}</code></td>
<td><a href="${typeOf(name as KindName)}">${title}</a></td>
<td>${means}</td>
</tr>`

const list = page(
  'Problems',
  html`<p>Each refusal is an RFC 9457 problem document, whose <code>type</code> is one of these.</p>
<div class="scroll"><table><tbody>${Object.entries(KINDS).map(row)}</tbody></table></div>`
)

export const PROBLEM_PAGES = [
  ['/problems', list],
  ...Object.entries(KINDS).map(
    ([name, kind]) => [typeOf(name as KindName), problemPage(kind)] as const
  ),
] as const
