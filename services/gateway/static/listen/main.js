// Listen: be someone, bring songs, press play or ask, hear, rate, compare, and see what was learned.

import { fill, h } from "../common/dom.js";
import { get } from "../common/http.js";
import { session } from "../common/session.js";
import { room } from "../common/shell.js";
import { t } from "../common/strings.js";
import { silence } from "./alone.js";
import { asking } from "./ask.js";
import { consent } from "./consent.js";
import { farewell } from "./erase.js";
import { goingOn } from "./go_on.js";
import { presented, welcome } from "./listener.js";
import { ratingsOverTime } from "./past.js";
import { Radio } from "./radio.js";
import { songs } from "./songs.js";
import { tasteCard } from "./taste.js";
import { trackList } from "./tracks.js";
import { tuning } from "./tune.js";

let main = null;
const bar = h("section", { class: "bar", "aria-label": t.station.bar, hidden: true });
let radio = null;

async function begin(given) {
  main = given;
  main.after(bar);
  const listener = await get(`/v1/listeners/${session().listener_id}`);
  const place = h("div", { id: "rooms" });
  fill(main, presented(listener), place);
  await listenAs(place, listener);
}

async function listenAs(place, listener) {
  if (radio?.listener.listener_id !== listener.listener_id) {
    radio?.quit();
    radio = new Radio(listener, bar);
    radio.restore();
  }
  const list = trackList(listener);
  const going = goingOn(radio);
  const play = (wish) => {
    fill(going);
    radio.play(wish);
  };
  fill(place, tuning(play, going), songs(listener), asking(listener, list), tasteCard(listener), ratingsOverTime(listener), list.element, consent(listener, leave));
  await list.begin();
}

// After the listener was erased: nothing plays, and nothing of them is asked for again.
function leave() {
  silence();
  radio.quit();
  radio = null;
  fill(main, farewell()).querySelector("h2").focus();
}

room("listen", begin, welcome);
