// Going to a place of the room: it comes into view, and what has the focus next by keys is in it.

// A release opens; of one that is not in the list, to the list.
export function goTo(id) {
  const place = document.getElementById(id) ?? document.getElementById("releases");
  const details = place.querySelector(":scope > details");
  if (details) details.open = true;
  const start = details?.querySelector("summary") ?? place.querySelector("h2");
  if (!details) start.tabIndex = -1;
  place.scrollIntoView();
  start.focus({ preventScroll: true });
}
