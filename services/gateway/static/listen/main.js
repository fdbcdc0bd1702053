// Listen: be someone, bring songs, press play or ask, hear, rate, compare, and see what was learned.

import { fill, h } from "../common/dom.js";
import { get } from "../common/http.js";
import { session } from "../common/session.js";
import { room } from "../common/shell.js";
import { t } from "../common/strings.js";
import { asking } from "./ask.js";
import { consent } from "./consent.js";
import { presented, welcome } from "./listener.js";
import { ratingsOverTime } from "./past.js";
import { Radio } from "./radio.js";
import { songs } from "./songs.js";
import { tasteCard } from "./taste.js";
import { trackList } from "./tracks.js";
import { tuning } from "./tune.js";

const bar = h("section", { class: "bar", "aria-label": t.station.bar, hidden: true });
let radio = null;

async function begin(main) {
  main.after(bar);
  const listener = await get(`/v1/listeners/${session().listener_id}`);
  const place = h("div", { id: "rooms" });
  fill(main, presented(listener), place);
  await listenAs(place, listener);
}

async function listenAs(place, listener) {
  if (radio?.listener.listener_id !== listener.listener_id) {
    radio?.close();
    radio = new Radio(listener, bar);
    radio.restore();
  }
  const list = trackList(listener);
  fill(place, tuning((wish) => radio.play(wish)), songs(listener), asking(listener, list), tasteCard(listener), ratingsOverTime(listener), list.element, consent(listener));
  await list.begin();
}

room("listen", begin, welcome);
