// From the gateway's answer to the rows of a picture. Pure.

export const OUTSIDE = "outside"; // of any canary
export const EVERY = "ffffffff-ffff-ffff-ffff-ffffffffffff"; // all releases together
const OF_ONE_RELEASE = ["style", "tenure"];
const FORMS = ["csv", "parquet", "arrow"];

function asked({ by, metric, arm, baseline, release, per }) {
  const said = new URLSearchParams({ by, metric, arm, baseline, per });
  if (isOfRelease(release)) said.set("release_id", release);
  return said;
}

// Whether a dimension may be chosen: of all releases together some are not told, and the style not day by day.
export const isOffered = (name, { release, per }) =>
  release === EVERY ? !OF_ONE_RELEASE.includes(name) : name !== "style" || per === "whole";

// The state without what all releases together are not told by.
export function answerable(state) {
  if (state.release !== EVERY) return state;
  const by = state.by?.split(",").filter((name) => isOffered(name, state)).join(",") ?? null;
  return { ...state, by, per: "whole" };
}

const isOfRelease = (release) => release && release !== OUTSIDE;

// The gateway's question for a state.
export const question = (state) => `/v1/uplift/cells?${asked(state)}`;

// What of it can be had as a file: { address, name, label }, its label a word of `t.analyse`.
export function files(state) {
  const forms = FORMS.map((form) => ({
    address: `/v1/uplift/file?${asked(state)}&form=${form}`, name: `encore-uplift-${state.metric}.${form}`, label: form,
  }));
  const { release } = state;
  return isOfRelease(release) && release !== EVERY ? [...forms, { address: `/v1/releases/${release}/report`, name: `encore-release-${release}.html`, label: "report" }] : forms;
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

export function sqlOf({ by, metric, arm, baseline, release, per }) {
  const dimensions = by ? `array[${by.split(",").map((name) => `'${name}'`).join(", ")}]` : "'{}'::text[]";
  const which = isOfRelease(release) ? `'${release}'` : "null";
  return `select * from analytics.uplift_by(\n  ${dimensions}, '${metric}', '${arm}', '${baseline}',\n  ${which}, '${per}'\n);`;
}
