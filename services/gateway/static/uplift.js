// Two tables of what the ratings of a cohort say: the mean of each arm, and how much better one is than another.

import { get } from "./api.js";

export async function showUplift(place, cohort) {
  const report = await get(`/v1/uplift?cohort=${encodeURIComponent(cohort)}`);
  const number = (value, sign = "") => (value === null ? "–" : (value > 0 ? sign : "") + value.toFixed(2));
  place.replaceChildren(
    table("Mean rating", ["Arm", "Mean", "Ratings", "Listeners"],
      report.arms.map((arm) => [arm.arm, number(arm.mean), arm.ratings, arm.listeners])),
    table("Uplift, with its 95 % interval", ["Compared", "Release", "Uplift", "Interval", "Ratings", "Listeners"],
      report.uplift.map((row) => [
        `${row.arm} over ${row.baseline}`, row.release_id ? row.release_id.slice(-8) : "outside any",
        number(row.estimate, "+"), row.low === null ? "–" : `${number(row.low, "+")} to ${number(row.high, "+")}`,
        row.ratings, row.listeners,
      ])),
  );
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
