// The form that asks for a track, for two to be compared blind, or for four to pick one from.

import { h } from "../common/dom.js";
import { post } from "../common/http.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { dialing, dials } from "./dials.js";

const SECONDS = { least: 2, most: 120, first: 10 };

export function asking(listener, list) {
  const prompt = h("input", { id: "prompt", maxLength: 300, placeholder: t.ask.example, autocomplete: "off" });
  const shown = h("output", { for: "seconds" }, t.ask.seconds(SECONDS.first));
  const seconds = h("input", {
    id: "seconds", type: "range", min: SECONDS.least, max: SECONDS.most, step: 1, value: SECONDS.first,
    oninput: () => (shown.value = t.ask.seconds(seconds.value)),
  });
  const ask = (event) => {
    event.preventDefault();
    const wish = { listener_id: listener.listener_id, prompt: prompt.value, seconds: Number(seconds.value) };
    const made = {
      track: async () => list.addWish(await post("/v1/tracks", { ...wish, ...dials() })),
      pair: async () => list.addPair(await post("/v1/pairs", { ...wish, ...dials() })),
      four: async () => list.addFour(await post("/v1/fours", wish)),
    }[event.submitter?.value ?? "track"];
    act(async () => (await made()).focus(), event.submitter);
  };
  return h("section", { id: "ask", "aria-labelledby": "ask-title" },
    h("h2", { id: "ask-title" }, t.ask.title),
    h("form", { onsubmit: ask },
      h("label", { for: "prompt" }, t.ask.prompt, h("span", { class: "hint" }, ` ${t.ask.optional}`)), prompt,
      h("label", { for: "seconds" }, t.ask.length, " ", shown), seconds,
      dialing(),
      h("div", { class: "row" },
        h("button", { name: "kind", value: "track" }, t.ask.track),
        h("button", { name: "kind", value: "pair", class: "quiet" }, t.ask.pair),
        h("button", { name: "kind", value: "four", class: "quiet" }, t.ask.four))));
}
