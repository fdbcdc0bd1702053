// What this browser remembers of a listener's own ratings and votes, by the id of the track or pair.

const RATED = "encore-ratings";

const all = () => JSON.parse(localStorage.getItem(RATED) ?? "{}");

export const forgetRatings = () => localStorage.removeItem(RATED);
export const kept = (id) => all()[id];
export const keep = (id, value) => localStorage.setItem(RATED, JSON.stringify({ ...all(), [id]: value }));
