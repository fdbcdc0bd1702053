// Versions of listeners' adapters, page after page: what each learned from, and which learned from a song or track.

import { fill, h } from "../common/dom.js";
import { count, date, decimal, short } from "../common/format.js";
import { get } from "../common/http.js";
import { shown } from "../common/states.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { lesson } from "./lesson.js";
import { ordering } from "./orders.js";
import { goTo } from "./places.js";

const PAGE = 50;

let find = () => {};

// Shows the versions of a round, of a listener, or that learned from a song or track, and goes there.
export function versionsOf(asked) {
  find(asked);
  goTo("versions");
}

export function versions() {
  const words = t.operate.versions;
  const listener = h("input", { id: "versions-listener", autocomplete: "off", "aria-describedby": "versions-hint" });
  const source = h("input", { id: "versions-source", autocomplete: "off" });
  const place = h("div", { "aria-live": "polite" });
  const detail = h("div", { "aria-live": "polite", tabIndex: -1 });
  find = (asked) => {
    listener.value = asked.listener_id ?? "";
    source.value = asked.learned_from ?? "";
    fill(detail);
    shown(place, () => list(asked, detail));
  };
  const submit = (event) => {
    event.preventDefault();
    find(source.value.trim() ? { learned_from: source.value.trim() } : listener.value.trim() ? { listener_id: listener.value.trim() } : {});
  };
  find({});
  return h("div", {}, h("p", { class: "hint", id: "versions-hint" }, words.hint),
    h("form", { class: "order", onsubmit: submit },
      h("div", { class: "pair-of-fields" },
        h("div", {}, h("label", { for: listener.id }, words.listener), listener),
        h("div", {}, h("label", { for: source.id }, words.source), source)),
      h("div", { class: "row" }, h("button", { class: "quiet small" }, words.find),
        h("button", { type: "button", class: "quiet small", onclick: () => find({}) }, words.all))),
    place, detail);
}

async function list(asked, detail) {
  const words = t.operate.versions;
  let last = null;
  let newest = null;
  const page = async () => {
    const before = last && { before: `${last.listener_id}/${last.version}` };
    const found = await get(`/v1/versions?${new URLSearchParams({ limit: PAGE, ...asked, ...before })}`);
    last = found.at(-1) ?? last;
    newest ??= found[0] ?? null;
    return found.map((each) => row(each, detail));
  };
  const first = await page();
  const number = (text) => ({ text, number: true });
  const found = table(words.list,
    [words.made, words.listener, number(words.version), words.standing, words.round, words.release, words.loss, words.from],
    first, { none: words.none, further: first.length === PAGE && !asked.learned_from ? page : null });
  return asked.listener_id && newest ? h("div", {}, found, moving(newest)) : found;
}

// What a single listener hears: one version held, or the canaries' way again.
function moving({ listener_id: listener, version }) {
  const words = t.operate.versions;
  const which = h("input", { id: "pin-version", type: "number", min: 1, step: 1, required: true, value: version });
  return h("section", {}, h("h3", {}, words.moving(short(listener))), h("p", { class: "hint" }, words.movingHint),
    ordering(["pin", "unpin", "opt_out", "opt_in"], { listener_id: listener }, which));
}

function row(version, detail) {
  const words = t.operate.versions;
  const { scores } = version;
  const show = () => shown(detail, () => lesson(version, versionsOf)).then(() => detail.focus());
  return [
    date(version.created_at),
    h("button", { type: "button", class: "link", title: version.listener_id, onclick: () => versionsOf({ listener_id: version.listener_id }) }, short(version.listener_id)),
    count(version.version), [version.standing ? words.standings[version.standing] : words.past, version.pinned ? words.pinned : null].filter(Boolean).join(", "),
    h("button", { type: "button", class: "link", onclick: () => versionsOf({ round_id: version.round_id }) }, short(version.round_id)),
    h("span", {}, version.releases.map((id) => h("a", { href: `#release-${id}` }, short(id)))),
    scores.base_loss === undefined ? "" : words.ways(decimal(scores.base_loss), decimal(scores.adapter_loss)),
    h("span", { class: "row" },
      h("button", { type: "button", class: "link", onclick: show }, words.sources),
      version.mlflow_url ? h("a", { href: version.mlflow_url, target: "_blank", rel: "noopener" }, words.mlflow) : null),
  ];
}
