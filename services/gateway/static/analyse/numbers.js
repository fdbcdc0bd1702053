// From the gateway's report to the rows of a picture. Pure.

// Comparisons that the report has, in the order in which they are offered.
export const PAIRS = [["candidate", "cold"], ["champion", "cold"], ["candidate", "champion"], ["candidate", "base"], ["champion", "base"]];
export const OUTSIDE = "outside";

export const dimensions = (report) =>
  [...new Set(report.uplift.map(({ cohort }) => cohort.split("=")[0]).filter((name) => name !== "all"))].sort();

const isOf = (row, { pair, release }) =>
  `${row.arm}-${row.baseline}` === pair &&
  (release === "" || (release === OUTSIDE ? row.release_id === null : row.release_id === release));

// One row a cohort: everybody first, then the values of the chosen dimension. Relative values are shares of the mean that
// the baseline has in the cohort; null where there is none.
export function forestRows(report, state) {
  const ofDimension = (row) => row.cohort === "all" || !state.by || row.cohort.startsWith(`${state.by}=`);
  const rows = report.uplift.filter((row) => isOf(row, state) && ofDimension(row));
  return rows.map((row) => scaled(row, report, state))
    .sort((a, b) => (b.cohort === "all") - (a.cohort === "all") || a.cohort.localeCompare(b.cohort));
}

// One row a release, in the order of their beginning: { ...row, started }.
export function releaseRows(report, releases, state) {
  const begun = new Map(releases.map((release) => [release.release_id, release.started_at]));
  const cohort = state.by.includes("=") ? state.by : "all";
  return report.uplift
    .filter((row) => row.cohort === cohort && isOf(row, { ...state, release: "" }) && begun.has(row.release_id))
    .map((row) => ({ ...scaled(row, report, state), started: new Date(begun.get(row.release_id)) }))
    .sort((a, b) => a.started - b.started);
}

function scaled(row, report, { scale }) {
  if (scale === "absolute") return row;
  const mean = report.arms.find(({ cohort, arm }) => cohort === row.cohort && arm === row.baseline)?.mean;
  const part = (value) => (value === null || !mean ? null : value / mean);
  return { ...row, estimate: part(row.estimate), low: part(row.low), high: part(row.high) };
}

// How different the cohorts are: Cochran's Q over those with an interval, and I squared (Higgins and Thompson 2002).
export function heterogeneity(rows) {
  const told = rows.filter(({ cohort, low, high }) => cohort !== "all" && low !== null && high > low);
  if (told.length < 2) return null;
  const weights = told.map(({ low, high }) => (2 * 1.96 / (high - low)) ** 2);
  const sum = weights.reduce((a, b) => a + b, 0);
  const mean = told.reduce((total, { estimate }, index) => total + weights[index] * estimate, 0) / sum;
  const q = told.reduce((total, { estimate }, index) => total + weights[index] * (estimate - mean) ** 2, 0);
  const free = told.length - 1;
  return { q, free, share: Math.max(0, (q - free) / q) };
}

// The effect that a cohort of this precision finds with four chances of five at a two-sided level of 5 %.
const FINDS = 1.96 + 0.84;
export const detectable = ({ low, high }) => (low === null ? null : (FINDS * (high - low)) / (2 * 1.96));

export const csv = (columns, rows) =>
  [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

const cell = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
