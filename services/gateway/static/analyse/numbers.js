// From the gateway's answer to the rows of a picture. Pure.

export const OUTSIDE = "outside"; // of any canary

// The gateway's question for a state.
export function question({ by, metric, arm, baseline, release, per }) {
  const asked = new URLSearchParams({ by, metric, arm, baseline, per });
  if (release && release !== OUTSIDE) asked.set("release_id", release);
  return `/v1/uplift/cells?${asked}`;
}

// One row a cell: its name, the estimate and the interval that is shown, in the unit or as a share of the baseline.
export function rowsOf(answer, { scale, bounds }) {
  return answer.cells.map((cell) => {
    const [low, high] = bounds === "family" ? [cell.family_low, cell.family_high] : [cell.low, cell.high];
    const part = (value) => (value === null || !cell.baseline_mean ? null : value / cell.baseline_mean);
    const shown = scale === "absolute"
      ? { estimate: cell.estimate, low, high, mde: cell.mde, shrunken: cell.shrunken }
      : { estimate: cell.relative, ...relativeBounds(cell, bounds), mde: part(cell.mde), shrunken: part(cell.shrunken) };
    return { ...shown, cell, name: Object.values(cell.cell).join(" · "), day: cell.day && new Date(cell.day) };
  });
}

// The family's interval of a ratio is as much wider as that of the difference.
function relativeBounds({ relative, relative_low: low, relative_high: high, estimate, low: own, family_low: wide }, bounds) {
  if (relative === null || bounds !== "family") return { low, high };
  const wider = (estimate - wide) / (estimate - own);
  return { low: relative - wider * (relative - low), high: relative + wider * (high - relative) };
}

// The columns of a download: the gateway's own fields, in its digits.
export function asTable(answer) {
  const facts = Object.keys(answer.cells[0] ?? {}).filter((name) => name !== "cell");
  return { columns: [...answer.by, ...facts], rows: answer.cells.map((cell) => [...answer.by.map((name) => cell.cell[name]), ...facts.map((name) => cell[name])]) };
}

export const csv = ({ columns, rows }) =>
  [columns, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";

function field(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function sqlOf({ by, metric, arm, baseline, release, per }) {
  const dimensions = by ? `array[${by.split(",").map((name) => `'${name}'`).join(", ")}]` : "'{}'::text[]";
  const which = release && release !== OUTSIDE ? `'${release}'` : "null";
  return `select * from analytics.uplift_by(\n  ${dimensions}, '${metric}', '${arm}', '${baseline}',\n  ${which}, '${per}'\n);`;
}

// The same question to the launcher, which writes what a browser does not.
export function commands({ by, metric, arm, baseline, release, per }) {
  const which = release && release !== OUTSIDE ? ` --release ${release}` : "";
  const asked = `./encore uplift${by ? ` --by ${by}` : ""} --metric ${metric} --arm ${arm} --baseline ${baseline}${which} --per ${per}`;
  return ["parquet", "arrow"].map((format) => `${asked} --format ${format} -o uplift.${format}`)
    .concat(which ? `./encore uplift --report${which} -o release.html` : []).join("\n");
}
