// What is looked at, kept in the address after the #, so that a link opens the same picture.

const DEFAULTS = { picture: "forest", by: "", release: "", pair: "candidate-cold", scale: "absolute" };

// The state of the address; what it does not name is as at first.
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) ?? value]));
}

// Puts a state into the address; every change is a step that the browser's Back takes back.
export function write(state) {
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  const hash = `#${new URLSearchParams(changed)}`;
  if (hash !== location.hash) history.pushState(null, "", changed.length ? hash : location.pathname);
}
