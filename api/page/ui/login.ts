/** The login: asks for the token that the daemon printed, or wrote into the file beside its socket. */
import { setToken, token } from './api.ts'
import { button, h, setText } from './dom.ts'

export const createLogin = () => {
  const why = h('p', { class: 'bad' })
  const input = h('input', {
    type: 'password',
    autocomplete: 'off',
    'aria-label': 'token',
    'data-role': 'token',
  })
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', {}, 'A token is needed'),
    why,
    h(
      'p',
      { class: 'soft' },
      'softnet demo prints it as a link; a daemon keeps it in a file beside its socket, and says where. It is kept for this tab alone.'
    ),
    input
  )
  const dialog = h('dialog', { id: 'login' }, form)
  document.body.append(dialog)
  let waiting: Promise<boolean> | null = null

  const open = (): Promise<boolean> =>
    new Promise((resolve) => {
      dialog.onclose = () => {
        waiting = null
        const isGiven = dialog.returnValue === 'ok' && input.value !== ''
        if (isGiven) setToken(input.value.trim())
        resolve(isGiven)
      }
      input.value = ''
      dialog.returnValue = ''
      dialog.showModal()
      input.focus()
    })
  const enter = h('button', { value: 'ok' }, 'log in')
  const cancel = button('cancel', 'Look only', () => dialog.close(''))
  form.append(h('div', { class: 'bar' }, enter, cancel))

  return {
    /** One dialog for all that are refused at the same moment. */
    ask: (text: string): Promise<boolean> => {
      setText(why, text)
      waiting ??= open()
      return waiting
    },
    isIn: (): boolean => token() !== null,
    out: (): void => setToken(''),
  }
}
