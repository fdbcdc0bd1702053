// The words of the pages in the reader's language. Another language is another file of the same shape.

import { en } from "./en.js";

const LANGUAGES = { en };

const wanted = navigator.languages.map((tag) => tag.split("-")[0]);
export const language = wanted.find((tag) => tag in LANGUAGES) ?? "en";
export const t = LANGUAGES[language];
