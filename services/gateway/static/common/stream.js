// Server-sent events of the gateway. EventSource cannot carry a token, so the stream is fetched.

import { createParser } from "../vendor/eventsource-parser/index.js";
import { Away, call, isPassing, pauseAfter, Refused } from "./http.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const SILENCE_MS = 45_000; // three times what the gateway lets pass between two signs of life

// Tells `onNews(event, data)` until it answers true; comes again when the connection breaks. `onBroke(error)` is told each
// time, null where the gateway ended it in order; `options` are fetch's. What does not pass, and an abort, ends it.
export async function followed(path, onNews, onBroke = () => {}, options = {}) {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    let broke = null;
    try {
      const response = await call("GET", path, undefined, options);
      for await (const { event, data } of messages(response.body)) {
        pause = FIRST_PAUSE_MS;
        if (onNews(event, JSON.parse(data))) return;
      }
    } catch (error) {
      if (error.name === "AbortError" || (error instanceof Refused && !isPassing(error))) throw error;
      broke = error instanceof TypeError ? new Away() : error; // of fetch: the connection broke
    }
    onBroke(broke);
    await new Promise((resolve) => setTimeout(resolve, pauseAfter(broke, pause)));
  }
}

// Tells `onNews(event, data)` until the track is ready or failed.
export const follow = (trackId, onNews) => followed(`/v1/tracks/${trackId}/events`, (event, data) => {
  onNews(event, data);
  return event === "ready" || event === "failed";
});

async function* messages(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const found = [];
  const parser = createParser({ onEvent: (message) => found.push(message) });
  try {
    for (;;) {
      const { value, done } = await withinReason(reader.read());
      if (done) return;
      parser.feed(value);
      yield* found.splice(0);
    }
  } finally {
    reader.cancel().catch(() => {}); // also of a stream that is silent
  }
}

function withinReason(reading) {
  let timer;
  const silence = new Promise((_, reject) => (timer = setTimeout(() => reject(new Away()), SILENCE_MS)));
  return Promise.race([reading, silence]).finally(() => clearTimeout(timer));
}
