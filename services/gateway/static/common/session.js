// Who this tab speaks as: the bearer token, which stays in this tab.

const TOKEN = "encore-token";

// The token of this tab, or null. One that came in the address is kept and taken out of the address.
export function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keepToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN);
}

export const keepToken = (value) => sessionStorage.setItem(TOKEN, value);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);
export const authorization = () => `Bearer ${sessionStorage.getItem(TOKEN)}`;
