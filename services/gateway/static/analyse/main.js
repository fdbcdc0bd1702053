// Analyse: what the ratings of a cohort say.

import { fill, h } from "../common/dom.js";
import { count, decimal, short, signed } from "../common/format.js";
import { get } from "../common/http.js";
import { room } from "../common/shell.js";
import { shown } from "../common/states.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";

const number = (text) => ({ text, number: true });

async function uplift(cohort) {
  const report = await get(`/v1/uplift?cohort=${encodeURIComponent(cohort)}`);
  const words = t.uplift;
  const means = report.arms.map((arm) => [arm.arm, decimal(arm.mean), count(arm.ratings), count(arm.listeners)]);
  const differences = report.uplift.map((row) => [
    words.over(row.arm, row.baseline), row.release_id ? short(row.release_id) : words.outside, signed(row.estimate),
    words.interval(signed(row.low), signed(row.high)), count(row.ratings), count(row.listeners),
  ]);
  return [
    table(words.means, [words.arm, number(words.mean), number(words.ratings), number(words.listeners)], means, words.none),
    table(words.title, [words.compared, words.release, number(words.estimate), words.between, number(words.ratings), number(words.listeners)], differences, words.none),
  ];
}

function begin(main) {
  const cohort = h("input", { id: "cohort", value: "all", autocomplete: "off" });
  const place = h("div", { "aria-live": "polite" });
  const renew = (event) => {
    event?.preventDefault();
    shown(place, () => uplift(cohort.value.trim() || "all"));
  };
  fill(main, h("form", { onsubmit: renew },
    h("label", { for: "cohort" }, t.uplift.cohort), h("div", { class: "row" }, cohort, h("button", {}, t.uplift.show))), place);
  renew();
}

room("analyse", begin);
