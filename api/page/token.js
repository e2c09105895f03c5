// The token of the link that led here (#token=...): kept for this tab alone, gone from the address bar, sent with what
// the page asks. No cookie: a browser would send one to every port of this machine, and by itself.
const given = new URLSearchParams(location.hash.slice(1)).get('token')
if (given) {
  sessionStorage.setItem('token', given)
  window.history.replaceState(null, '', location.pathname)
}
const ask = (path, options = {}) => {
  const token = sessionStorage.getItem('token')
  const headers = token ? { Authorization: `Bearer ${token}` } : {}
  return fetch(path, { ...options, headers })
}
