// What a listener heard last, on this device or another, is offered to be gone on with.

import { fill, h } from "../common/dom.js";
import { clock } from "../common/format.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";

// Empty where a station is here already, or there is nothing to go on with.
export function goingOn(radio) {
  const place = h("div", { class: "go-on" });
  const go = ({ target }) => act(async () => {
    await radio.goOn();
    fill(place);
    document.querySelector(".bar .play").focus();
  }, target);
  radio.devices.told().then((was) => {
    if (!was?.tracks.length || radio.station) return;
    fill(place, h("button", { type: "button", class: "quiet", onclick: go }, t.station.goOn(was.prompt || t.track.surprise, clock(was.at_s))));
  }, console.warn);
  return place;
}
