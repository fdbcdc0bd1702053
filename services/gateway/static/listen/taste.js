// The taste card: what Encore believes a listener likes, how sure it is, what it learned since, each line to be corrected.

import { fill, h } from "../common/dom.js";
import { percent, weekday } from "../common/format.js";
import { get, put } from "../common/http.js";
import { shown } from "../common/states.js";
import { act } from "../common/shell.js";
import { t } from "../common/strings.js";
import { changes, earlierTaste } from "./beliefs.js";

const MOST_CHANGES = 3;

export function tasteCard(listener) {
  const path = `/v1/listeners/${listener.listener_id}/taste`;
  const place = h("div", { id: "taste", "aria-live": "polite" });
  const load = async () => drawn(await get(path));
  const correct = (word, liking, control) =>
    act(async () => fill(place, drawn(await put(path, { corrections: { [word]: liking } }))), control);

  const drawn = (taste) => {
    const since = earlierTaste(listener.listener_id, taste.words);
    return [
      h("p", { class: "state" }, t.taste.from(taste.ratings, taste.songs, taste.version)),
      since && told(since, taste.words),
      asked(taste.tone),
      taste.words.length
        ? h("ul", { class: "plain beliefs" }, taste.words.map((belief) => line(belief, correct)))
        : h("p", { class: "state empty" }, t.taste.none),
      adding(correct),
    ];
  };
  shown(place, load);
  return h("section", { "aria-labelledby": "taste-title" },
    h("h2", { id: "taste-title" }, t.taste.title), place,
    h("button", { type: "button", class: "quiet small", onclick: () => shown(place, load) }, t.taste.renew));
}

function told(since, words) {
  const moved = changes(since.words, words).slice(0, MOST_CHANGES);
  return h("p", { class: "learned" }, moved.length
    ? t.taste.since(weekday(since.time), moved.map(({ word, from, to }) => (to > from ? t.taste.more(word) : t.taste.less(word))).join(", "))
    : t.taste.same(weekday(since.time)));
}

function asked({ treble_db, bass_db }) {
  const said = [[treble_db, t.taste.treble], [bass_db, t.taste.bass]].filter(([decibels]) => decibels).map(([decibels, words]) => words(decibels));
  return said.length ? h("p", { class: "learned" }, t.taste.asked(said.join(", "))) : null;
}

function line(belief, correct) {
  const { word, liking, sure, ratings, corrected, says } = belief;
  const button = (text, label, value) =>
    h("button", { type: "button", class: "quiet small", "aria-label": label, onclick: (event) => correct(word, value, event.target) }, text);
  const meter = h("span", { class: "liking", "aria-hidden": "true" });
  meter.style.setProperty("--from", `${50 + Math.min(liking, 0) * 50}%`);
  meter.style.setProperty("--width", `${Math.abs(liking) * 50}%`);
  return h("li", {},
    h("div", {}, h("strong", {}, says), h("small", {}, ` ${t.taste.sure(percent(sure), ratings)}`), meter),
    h("div", { class: "row" }, corrected
      ? button(t.taste.takeBack, t.taste.takeBackOf(word), null)
      : [button(t.taste.like, t.taste.likes(word), 1), button(t.taste.dislike, t.taste.dislikes(word), -1)]));
}

function adding(correct) {
  const word = h("input", { id: "belief", maxLength: 40, autocomplete: "off", placeholder: t.taste.example, required: true });
  const add = (event) => {
    event.preventDefault();
    correct(word.value.trim().toLowerCase(), event.submitter.value === "like" ? 1 : -1, event.submitter);
  };
  return h("form", { onsubmit: add },
    h("label", { for: "belief" }, t.taste.add),
    h("div", { class: "row" }, word,
      h("button", { class: "quiet", value: "like" }, t.taste.like), h("button", { class: "quiet", value: "dislike" }, t.taste.dislike)));
}
