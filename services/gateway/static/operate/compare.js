// Candidate and champion of a release side by side, for any listener in it: the same words and seed, spectrograms in step,
// switched while they play.

import { fill, h } from "../common/dom.js";
import { date, short } from "../common/format.js";
import { get, postForBlob } from "../common/http.js";
import { act } from "../common/shell.js";
import { shown, waiting } from "../common/states.js";
import { t } from "../common/strings.js";

const SIDES = ["champion", "candidate"];
const SECONDS = 10;
const OFFERED = 500; // listeners in the list; another's id may be typed
const SEEDS = 2 ** 31;

let before = { close() {} }; // the last comparison

export function comparing() {
  const place = h("div");
  shown(place, async () => {
    const releases = await get("/v1/releases?limit=50");
    return releases.length ? form(releases) : h("p", { class: "state empty" }, t.operate.compare.none);
  });
  return h("div", {}, h("p", { class: "hint" }, t.operate.compare.hint), place);
}

function form(releases) {
  const words = t.operate.compare;
  const offered = h("datalist", { id: "compare-listeners" });
  const listener = h("input", { id: "compare-listener", list: offered.id, required: true, autocomplete: "off" });
  const offer = () => act(async () => {
    const members = await get(`/v1/releases/${release.value}/members?limit=${OFFERED}`);
    fill(offered, members.map(({ listener_id: id }) => new Option(short(id), id)));
    listener.value = members[0]?.listener_id ?? "";
  });
  const release = h("select", { id: "compare-release", onchange: offer },
    releases.map((each) => new Option(`${short(each.release_id)}, ${date(each.started_at)}`, each.release_id)));
  const prompt = h("input", { id: "compare-prompt", maxLength: 300, autocomplete: "off" });
  const result = h("div", { "aria-live": "polite" });
  const ask = (event) => {
    event.preventDefault();
    const wish = { listener_id: listener.value.trim(), prompt: prompt.value, seconds: SECONDS };
    act(() => show(result, release.value, wish), event.submitter);
  };
  offer();
  return h("div", {},
    h("form", { onsubmit: ask, class: "order" },
      h("div", { class: "pair-of-fields" },
        h("div", {}, h("label", { for: release.id }, words.release), release),
        h("div", {}, h("label", { for: listener.id }, words.listener), listener, offered)),
      h("label", { for: prompt.id }, words.prompt), prompt,
      h("div", { class: "row" }, h("button", { class: "quiet small" }, words.make))), result);
}

async function show(place, releaseId, wish) {
  const words = t.operate.compare;
  const seed = Math.floor(Math.random() * SEEDS);
  before.close();
  fill(place, waiting(words.making));
  try {
    const made = (side) => postForBlob(`/v1/releases/${releaseId}/sounds`, { ...wish, side, seed });
    const [{ inStep }, ...files] = await Promise.all([import("./in_step.js"), ...SIDES.map(made)]);
    before = inStep(files, [words.first, words.second]);
    fill(place, before.element);
  } catch (error) {
    fill(place);
    throw error;
  }
}
