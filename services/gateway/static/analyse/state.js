// What is looked at, kept in the address after the #, so that a link opens the same picture.

// Where `by` is null nobody chose: by home, or everyone where that tells nothing.
const DEFAULTS = {
  by: null, metric: "stars", arm: "candidate", baseline: "cold", release: "", per: "whole", scale: "absolute", bounds: "own",
};

// The state of the address; what it does not name is as at first.
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) ?? value]));
}

// Puts a state into the address; every change is a step that the browser's Back takes back.
export function write(state) {
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  const hash = changed.length ? `#${new URLSearchParams(changed)}` : "";
  if (hash !== location.hash) history.pushState(null, "", hash || location.pathname);
}
