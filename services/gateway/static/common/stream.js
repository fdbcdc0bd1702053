// A track's server-sent events. EventSource cannot carry a token, so the stream is fetched.

import { createParser } from "../vendor/eventsource-parser/index.js";
import { call, isPassing, pauseAfter, Refused } from "./http.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

// Tells `onNews(event, data)` until the track is ready or failed; comes again when the connection breaks.
export async function follow(trackId, onNews) {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    let broke = null;
    try {
      const response = await call("GET", `/v1/tracks/${trackId}/events`);
      for await (const { event, data } of messages(response.body)) {
        pause = FIRST_PAUSE_MS;
        onNews(event, JSON.parse(data));
        if (event === "ready" || event === "failed") return;
      }
    } catch (error) {
      if (error instanceof Refused && !isPassing(error)) throw error;
      broke = error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseAfter(broke, pause)));
  }
}

async function* messages(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const found = [];
  const parser = createParser({ onEvent: (message) => found.push(message) });
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    parser.feed(value);
    yield* found.splice(0);
  }
}
