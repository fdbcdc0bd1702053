// Listen: be someone, bring songs, ask for tracks, follow, hear, rate, compare.

import { fill, h } from "../common/dom.js";
import { act, room } from "../common/shell.js";
import { asking } from "./ask.js";
import { choosing } from "./listener.js";
import { songs } from "./songs.js";
import { trackList } from "./tracks.js";

async function begin(main) {
  const place = h("div", { id: "rooms" });
  const who = choosing((listener) => act(() => listenAs(place, listener)));
  fill(main, who.element, place);
  await who.begin();
}

async function listenAs(place, listener) {
  const list = trackList(listener);
  const ask = asking(listener, list);
  fill(place, songs(listener), ask, list.element);
  await list.begin();
}

room("listen", begin);
