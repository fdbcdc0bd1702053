// Analyse: uplift by cohort and over time, for any comparison and release, each picture with its numbers.

import { fill, h } from "../common/dom.js";
import { date, short } from "../common/format.js";
import { get } from "../common/http.js";
import { room } from "../common/shell.js";
import { empty, shown } from "../common/states.js";
import { t } from "../common/strings.js";
import { dataOf } from "./data.js";
import { forest } from "./forest.js";
import { dimensions, forestRows, OUTSIDE, PAIRS, releaseRows } from "./numbers.js";
import { overTime } from "./over_time.js";
import { read, write } from "./state.js";

const words = t.analyse;

async function begin(main) {
  const place = h("section", { id: "picture", "aria-live": "polite", "aria-label": words.picture });
  const controls = h("form", { id: "controls", class: "controls", onsubmit: (event) => event.preventDefault() });
  fill(main, controls, place);
  let known = null;
  const show = () => shown(place, async () => {
    known ??= await asked();
    fill(controls, fields(known, read(), (changed) => {
      write({ ...read(), ...changed });
      show();
    }));
    return drawn(known, read());
  });
  addEventListener("popstate", show);
  await show();
}

async function asked() {
  const [report, releases] = await Promise.all([get("/v1/uplift"), get("/v1/releases?limit=500")]);
  return { report, releases };
}

function drawn({ report, releases }, state) {
  if (!report.uplift.length) return empty(words.empty);
  const rows = state.picture === "time" ? releaseRows(report, releases, state) : forestRows(report, chosen(state, releases));
  if (!rows.length) return empty(words.noRows);
  return [state.picture === "time" ? overTime(rows, state) : forest(rows, state), dataOf(rows, chosen(state, releases))];
}

// A forest is of one release: the newest, unless another is chosen.
function chosen(state, releases) {
  return state.release ? state : { ...state, release: releases[0]?.release_id ?? OUTSIDE };
}

function fields({ report, releases }, state, change) {
  const select = (name, label, options, value) => {
    const box = h("select", { id: `choose-${name}`, onchange: () => change({ [name]: box.value }) },
      options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
    return h("div", {}, h("label", { for: box.id }, label), box);
  };
  const cohorts = [...new Set(report.uplift.map(({ cohort }) => cohort))].sort();
  const isTime = state.picture === "time";
  return [
    select("picture", words.picture, [["forest", words.forest], ["time", words.time]], state.picture),
    select("pair", words.compared, PAIRS.map(([arm, baseline]) => [`${arm}-${baseline}`, words.over(arm, baseline)]), state.pair),
    isTime
      ? select("by", words.cohort, cohorts.map((name) => [name === "all" ? "" : name, name]), state.by)
      : select("by", words.by, [["", words.every], ...dimensions(report).map((name) => [name, name])], state.by),
    isTime ? null : select("release", words.release,
      [...releases.map((each) => [each.release_id, words.releaseOf(short(each.release_id), date(each.started_at))]), [OUTSIDE, words.outside]],
      chosen(state, releases).release),
    select("scale", words.scale, [["absolute", words.absolute], ["relative", words.relative]], state.scale),
  ];
}

room("analyse", begin);
