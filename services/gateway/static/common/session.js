// Who this tab speaks as in a room: the token that a one-time login became. It stays in this tab, and is renewed while its
// session lasts.

const RENEWED_BEFORE_MS = 5 * 60 * 1000;

let place = null; // where the session of this page's room is kept
let renewing = null;

export const speakIn = (room) => (place = `encore-session-${room}`);
export const session = () => JSON.parse(sessionStorage.getItem(place));
export const token = () => session()?.token ?? null;
export const forgetToken = () => sessionStorage.removeItem(place);

// The login that came in the address, which it leaves at once: its code, and whether it makes a new listener. Or null.
export function login() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("login")) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { code: given.get("login"), isNew: given.has("new") };
}

// Exchanges a login's code for the token of this tab; `send(path, body, token)` gives the JSON that is answered.
export async function exchange(send, code, attributes = {}) {
  keep(await send("/v1/sessions", { code, attributes }, null));
}

// The header of a token that is valid for minutes more; many who ask at once share one renewal.
export async function authorization(send) {
  const held = session();
  if (held?.renewable_until && Date.parse(held.expires_at) - Date.now() < RENEWED_BEFORE_MS) {
    renewing ??= send("/v1/sessions/renewals", undefined, held.token).then(keep).finally(() => (renewing = null));
    await renewing;
  }
  return `Bearer ${session()?.token}`;
}

function keep(given) {
  sessionStorage.setItem(place, JSON.stringify(given));
}
