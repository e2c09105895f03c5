/** Dark or light: as the system says, or as chosen; the choice is kept for this tab. */
import { button, setText } from './dom.ts'

const KEY = 'theme'
const NEXT: Readonly<Record<string, string>> = { '': 'dark', dark: 'light', light: '' }

export const createThemeButton = (onChange: () => void): HTMLButtonElement => {
  const apply = (theme: string): void => {
    document.documentElement.dataset['theme'] = theme
    setText(element, theme === '' ? 'auto' : theme)
    onChange()
  }
  const element = button('', 'Dark, light, or as the system says', () => {
    const theme = NEXT[document.documentElement.dataset['theme'] ?? ''] ?? ''
    sessionStorage.setItem(KEY, theme)
    apply(theme)
  })
  element.dataset['role'] = 'theme'
  apply(sessionStorage.getItem(KEY) ?? '')
  return element
}
