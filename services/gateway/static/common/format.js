// Numbers and times as people read them.

import { language } from "./strings.js";

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
export const date = (iso) => dates.format(new Date(iso));

const times = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
export const time = (date) => times.format(date);

const weekdays = new Intl.DateTimeFormat(language, { weekday: "long" });
export const weekday = (time) => weekdays.format(new Date(time));

const decimals = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signs = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });
const counts = new Intl.NumberFormat(language);

const NONE = "–";
const known = (format) => (value) => (value === null || value === undefined ? NONE : format.format(value));
export const decimal = known(decimals);
export const signed = known(signs);
export const count = known(counts);

const chances = new Intl.NumberFormat(language, { style: "percent", maximumSignificantDigits: 2 });
export const chance = known(chances);

const parts = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
export const percent = known(parts);

// The end of an identifier tells one from another; the beginning of a UUID of version 7 is the time.
export const short = (id) => id.slice(-8);
