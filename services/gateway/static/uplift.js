// Tables of what the ratings of a cohort say: the mean of each arm, what was learned (over the cold start, which is what
// the songs alone gave), and how else the arms differ.

import { get } from "./api.js";

export async function showUplift(place, cohort) {
  const report = await get(`/v1/uplift?cohort=${encodeURIComponent(cohort)}`);
  const number = (value, sign = "") => (value === null ? "–" : (value > 0 ? sign : "") + value.toFixed(2));
  place.replaceChildren(
    table("Mean rating", ["Arm", "Mean", "Ratings", "Listeners"],
      report.arms.map((arm) => [arm.arm, number(arm.mean), arm.ratings, arm.listeners])),
    differences("Learned from ratings, with its 95 % interval", (row) => row.baseline === "cold"),
    differences("Other differences, with their 95 % intervals", (row) => row.baseline !== "cold"),
  );

  function differences(title, shown) {
    return table(title, ["Compared", "Release", "Uplift", "Interval", "Ratings", "Listeners"],
      report.uplift.filter(shown).map((row) => [
        `${row.arm} over ${row.baseline}`, row.release_id ? row.release_id.slice(-8) : "outside any",
        number(row.estimate, "+"), row.low === null ? "–" : `${number(row.low, "+")} to ${number(row.high, "+")}`,
        row.ratings, row.listeners,
      ]));
  }
}

function table(title, head, rows) {
  const made = document.createElement("table");
  made.createCaption().textContent = title;
  const top = made.createTHead().insertRow();
  for (const name of head) top.append(Object.assign(document.createElement("th"), { scope: "col", textContent: name }));
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = value;
  }
  if (!rows.length) Object.assign(body.insertRow().insertCell(), { colSpan: head.length, textContent: "Too few ratings yet." });
  return made;
}
