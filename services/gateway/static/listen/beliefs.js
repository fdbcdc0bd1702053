// What changed in a taste since it was looked at before. Pure, but for what this browser remembers.

const KEPT = "encore-taste-";
const DAY_MS = 86_400_000;
const LONGEST_DAYS = 7;
const LEAST = 0.05; // of a liking from -1 to 1

// Words whose liking moved, the farthest first: { word, from, to }.
export function changes(before, now) {
  const earlier = new Map(before.map(({ word, liking }) => [word, liking]));
  return now
    .map(({ word, liking }) => ({ word, from: earlier.get(word) ?? 0, to: liking }))
    .filter(({ from, to }) => Math.abs(to - from) >= LEAST)
    .sort((a, b) => Math.abs(b.to - b.from) - Math.abs(a.to - a.from));
}

// Remembers today's taste, one a day, and gives the oldest one of the last week: { time, words }, or null.
export function earlierTaste(listenerId, words, now = Date.now()) {
  const key = KEPT + listenerId;
  const day = (time) => Math.floor(time / DAY_MS);
  const kept = JSON.parse(localStorage.getItem(key) ?? "[]").filter(({ time }) => day(now) - day(time) <= LONGEST_DAYS);
  const earlier = kept.find(({ time }) => day(time) < day(now)) ?? null;
  if (!kept.some(({ time }) => day(time) === day(now))) {
    kept.push({ time: now, words: words.map(({ word, liking }) => ({ word, liking })) });
    localStorage.setItem(key, JSON.stringify(kept));
  }
  return earlier;
}
