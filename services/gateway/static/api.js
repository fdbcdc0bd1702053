// The gateway's HTTP API as this page uses it, and the outbox that carries listening events there.

const TOKEN = "encore-token";

export function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN);
}

export const keepToken = (value) => sessionStorage.setItem(TOKEN, value);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.expected ? `${problem.message} Expected: ${problem.expected}.` : problem.message);
    this.status = status;
    this.code = problem.code;
  }
}

const bearer = () => ({ Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` });

async function answered(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const problem = body.code ? body : (body.rejected?.[0]?.problem ?? { message: `The server answered ${response.status}.` });
  throw new Refused(response.status, problem);
}

async function call(method, path, body, options = {}) {
  const headers = { ...bearer(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  return answered(await fetch(path, { method, headers, body: body && JSON.stringify(body), ...options }));
}

export const get = async (path) => (await call("GET", path)).json();
export const post = async (path, body) => (await call("POST", path, body)).json();
export const remove = async (path) => (await call("DELETE", path)).json();
export const audio = async (trackId) => (await call("GET", `/v1/tracks/${trackId}/audio`)).blob();
export const liveAudio = (trackId, signal) => call("GET", `/v1/tracks/${trackId}/audio?live=1`, undefined, { signal });

// fetch cannot report how much of a body is sent; XMLHttpRequest can.
export function upload(listenerId, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/listeners/${listenerId}/songs`);
    request.setRequestHeader("Authorization", bearer().Authorization);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Error("The upload broke off."));
    request.onload = () =>
      request.status < 300
        ? resolve(request.response)
        : reject(new Refused(request.status, request.response ?? { message: `The server answered ${request.status}.` }));
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

// EventSource cannot carry a token, so the stream is read by hand. Comes again when the connection breaks.
export async function follow(trackId, onNews) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 8000)) {
    try {
      const response = await call("GET", `/v1/tracks/${trackId}/events`);
      for await (const [event, data] of messages(response.body)) {
        pause = 500;
        onNews(event, JSON.parse(data));
        if (event === "ready" || event === "failed") return;
      }
    } catch (error) {
      if (error instanceof Refused && error.status < 500) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function* messages(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value.replaceAll("\r\n", "\n");
    const blocks = pending.split("\n\n");
    pending = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => [line.split(":", 1)[0], line.slice(line.indexOf(":") + 2)]));
      if (fields.data) yield [fields.event, fields.data];
    }
  }
}

// A UUID of version 7 (RFC 9562): the time in milliseconds, then random bits.
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let at = 5; at >= 0; at--) {
    bytes[at] = now % 256;
    now = Math.floor(now / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// Events wait here until the gateway has acknowledged them; repeats are harmless, so a failed send is sent again.
const waiting = [];
let sending = null;

export function tell(listenerId, type, data, time = new Date()) {
  const event = {
    specversion: "1.0", type, id: uuid7(), source: "listening-page", subject: listenerId,
    time: time.toISOString(), data,
  };
  return new Promise((resolve, reject) => {
    waiting.push({ event, resolve, reject });
    sending ??= send().finally(() => (sending = null));
  });
}

async function send() {
  for (let pause = 1000; waiting.length; ) {
    await new Promise((resolve) => setTimeout(resolve, 50)); // lets events of one moment share a request
    const batch = waiting.slice(0, 100);
    try {
      settle(batch, await post("/v1/events", stamped(batch)));
    } catch (error) {
      if (error instanceof Refused && error.status < 500) {
        batch.forEach((each) => each.reject(error));
      } else {
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, 15000);
        continue;
      }
    }
    waiting.splice(0, batch.length);
  }
}

// What this clock says now tells the gateway how far it is off.
function stamped(batch) {
  const sentat = new Date().toISOString();
  return batch.map((each) => ({ ...each.event, sentat }));
}

function settle(batch, result) {
  const refused = new Map(result.rejected.map((each) => [each.index, each.problem]));
  batch.forEach((each, index) =>
    refused.has(index) ? each.reject(new Refused(422, refused.get(index))) : each.resolve());
}

// The page is going away: whatever waits leaves in a request that outlives it.
export function tellAtLast() {
  if (waiting.length) {
    call("POST", "/v1/events", stamped(waiting.slice(0, 100)), { keepalive: true }).catch(() => {});
  }
}
