// Analyse: uplift by any crossing of dimensions, for any metric, arms and release, each picture with its numbers.

import { fill, h } from "../common/dom.js";
import { get } from "../common/http.js";
import { room } from "../common/shell.js";
import { empty, shown } from "../common/states.js";
import { t } from "../common/strings.js";
import { controls } from "./controls.js";
import { dataOf } from "./data.js";
import { forest } from "./forest.js";
import { answerable, OUTSIDE, question, rowsOf } from "./numbers.js";
import { overTime } from "./over_time.js";
import { read, write } from "./state.js";

async function begin(main) {
  const place = h("section", { id: "picture", "aria-live": "polite", "aria-label": t.analyse.picture });
  const form = h("form", { id: "controls", class: "controls", onsubmit: (event) => event.preventDefault() });
  fill(main, form, place);
  let releases = null;
  const show = () => shown(place, async () => {
    releases ??= await get("/v1/releases?limit=500");
    const { state, answer } = await answered(chosen(read(), releases));
    fill(form, controls(state, releases, (changed) => {
      write(answerable({ ...read(), ...changed }));
      show();
    }));
    return drawn(answer, state);
  });
  addEventListener("popstate", show);
  await show();
}

// Of the newest release, unless another is chosen.
const chosen = (state, releases) => (state.release ? state : { ...state, release: releases[0]?.release_id ?? OUTSIDE });

// Where nobody chose what to cross: by home; everyone where each home is too small to be told.
async function answered(state) {
  if (state.by !== null) return { state, answer: await get(question(state)) };
  const found = await answered({ ...state, by: "home" });
  const { cells } = found.answer;
  return cells.length && cells.every(({ hidden }) => hidden) ? answered({ ...state, by: "" }) : found;
}

function drawn(answer, state) {
  if (!answer.cells.length) return empty(t.analyse.empty);
  const rows = rowsOf(answer, state);
  return [answer.per === "whole" ? forest(rows, answer, state) : overTime(rows, answer, state), dataOf(rows, answer, state)];
}

room("analyse", begin);
