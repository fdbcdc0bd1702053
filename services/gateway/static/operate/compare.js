// Two versions side by side, for the listener who one is in Listen: the same words and seed, spectrograms in step, switched while they play.

import { fill, h } from "../common/dom.js";
import { get, ofListener, post, remove } from "../common/http.js";
import { session } from "../common/session.js";
import { follow } from "../common/stream.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";

const SIDES = ["first", "second"];
const SECONDS = 10;

let before = { close() {} }; // the last comparison

export function comparing() {
  const words = t.operate.compare;
  const prompt = h("input", { id: "compare-prompt", maxLength: 300, autocomplete: "off" });
  const place = h("div");
  const ask = (event) => {
    event.preventDefault();
    act(async () => {
      const me = session(ofListener.room)?.listener_id;
      if (!me) throw new Error(words.asListener);
      try {
        await show(place, await post("/v1/pairs", { listener_id: me, prompt: prompt.value, seconds: SECONDS }, ofListener));
      } catch (error) {
        throw error.status === 401 ? new Error(words.asListener) : error; // the listener's session has ended, not one's own
      }
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
  before.close();
  fill(place, state, stop);
  for (const side of SIDES) {
    const ended = await ending(pair[side].track_id, (says) => (state.textContent = `${words[side]}: ${says}`));
    if (ended !== "ready") return stop.remove();
  }
  const { first, second } = await get(`/v1/pairs/${pair.pair_id}`, ofListener);
  stop.remove();
  const { inStep } = await import("./in_step.js");
  before = await inStep([first, second], [words.first, words.second]);
  fill(place, before.element);
}

// Says how a track comes along; resolves to the name of its last news, "ready" or "failed".
async function ending(trackId, say) {
  let last;
  await follow(trackId, (event, data) => {
    last = event;
    say(t.track.told(event, data));
  }, ofListener);
  return last;
}
