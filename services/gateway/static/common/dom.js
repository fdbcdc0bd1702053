// Elements: `h("button", { class: "quiet", onclick }, "Back")`.

const NOT_PROPERTIES = /^(aria-|data-|class$|for$|list$|role$|form$)/;

// A property that starts with aria- or data-, and class, for, list and role, becomes an attribute; null is left out.
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (NOT_PROPERTIES.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Puts these children in the place of those that were there. What had the focus among them keeps it where it is put back, or
// hands it on: to its like among the new ones, to the first of them that can have it, or to the element itself.
export function fill(element, ...children) {
  const held = element.contains(document.activeElement) && element !== document.activeElement ? document.activeElement : null;
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  if (held?.isConnected) held.focus(); // what is put back has lost it
  else if (held) focusLike(held, element);
  return element;
}

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

// Gives the focus to what is like `was` in this element.
export function focusLike(was, element) {
  const name = (each) => each.getAttribute("aria-label") ?? each.textContent;
  const found = [...element.querySelectorAll(FOCUSABLE)];
  const like = found.find((each) => was.id && each.id === was.id) ?? found.find((each) => each.tagName === was.tagName && name(each) === name(was));
  for (const each of [like, ...found, element]) {
    if (each === element && element.tabIndex < 0) element.tabIndex = -1;
    each?.focus();
    if (each && each === document.activeElement) return;
  }
}
