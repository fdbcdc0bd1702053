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

export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}
