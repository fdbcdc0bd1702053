// Two versions side by side, for the listener who one is in Listen: the same words and seed, spectrograms in step, switched while they play.

import { fill, h } from "../common/dom.js";
import { get, ofListener, post, remove } from "../common/http.js";
import { session } from "../common/session.js";
import { follow } from "../common/stream.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";

const SIDES = ["first", "second"];
const SECONDS = 10;

export function comparing() {
  const words = t.operate.compare;
  const prompt = h("input", { id: "compare-prompt", maxLength: 300, autocomplete: "off" });
  const place = h("div");
  const ask = (event) => {
    event.preventDefault();
    act(async () => {
      const me = session(ofListener.room)?.listener_id;
      if (!me) throw new Error(words.asListener);
      await show(place, await post("/v1/pairs", { listener_id: me, prompt: prompt.value, seconds: SECONDS }, ofListener));
    }, event.submitter);
  };
  return h("div", {}, h("p", { class: "hint" }, words.hint),
    h("form", { onsubmit: ask, class: "order" },
      h("label", { for: prompt.id }, words.prompt), prompt,
      h("div", { class: "row" }, h("button", { class: "quiet small" }, words.make))), place);
}

// Makes both and shows them; who goes away before they are ready cancels nothing.
async function show(place, pair) {
  const words = t.operate.compare;
  const state = h("p", { class: "state", role: "status" });
  const cancel = () => SIDES.forEach((side) => remove(`/v1/tracks/${pair[side].track_id}`, ofListener).catch(console.warn));
  const stop = h("button", { type: "button", class: "quiet small", onclick: cancel }, t.track.cancel);
  fill(place, state, stop);
  for (const side of SIDES) {
    await follow(pair[side].track_id, (event, news) => (state.textContent = `${words[side]}: ${t.track.told(event, news)}`), ofListener);
  }
  const { first, second } = await get(`/v1/pairs/${pair.pair_id}`, ofListener);
  stop.remove();
  if (first.status !== "ready" || second.status !== "ready") return;
  const { inStep } = await import("./in_step.js");
  fill(place, await inStep([first, second], [words.first, words.second]));
}
