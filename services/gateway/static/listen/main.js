// Listen: be someone, bring songs, press play or ask, hear, rate, compare, and see what was learned.

import { fill, h } from "../common/dom.js";
import { act, room } from "../common/shell.js";
import { t } from "../common/strings.js";
import { asking } from "./ask.js";
import { choosing } from "./listener.js";
import { Radio } from "./radio.js";
import { songs } from "./songs.js";
import { tasteCard } from "./taste.js";
import { trackList } from "./tracks.js";
import { tuning } from "./tune.js";

const bar = h("section", { class: "bar", "aria-label": t.station.bar, hidden: true });
let radio = null;

async function begin(main) {
  main.after(bar);
  const place = h("div", { id: "rooms" });
  const who = choosing((listener) => act(() => listenAs(place, listener)));
  fill(main, who.element, place);
  await who.begin();
}

async function listenAs(place, listener) {
  if (radio?.listener.listener_id !== listener.listener_id) {
    radio?.close();
    radio = new Radio(listener, bar);
    radio.restore();
  }
  const list = trackList(listener);
  fill(place, tuning((wish) => radio.play(wish)), songs(listener), asking(listener, list), tasteCard(listener), list.element);
  await list.begin();
}

room("listen", begin);
