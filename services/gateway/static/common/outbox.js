// Listening events on their way to the gateway. They wait in this browser until they are acknowledged, over reloads and
// lost networks; repeats are harmless, so what was not acknowledged is sent again.

import uuid7 from "../vendor/uuid/v7.js";
import { call, isPassing, pauseAfter, post, Refused } from "./http.js";
import { session } from "./session.js";

const KEPT = "encore-event-"; // then the event's id; one entry an event, so that two tabs do not overwrite each other
const BATCH = 100;
const MOMENT_MS = 50; // lets events of one moment share a request
const FIRST_PAUSE_MS = 1000;
const SOON_MS = 2000; // what takes longer is told as kept here
const LONGEST_PAUSE_MS = 15000;

const waiting = left().map((event) => ({ event, resolve() {}, reject() {} }));
let sending = null;
let wakeUp = () => {};

function left() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(KEPT)).sort();
  return keys.map((key) => JSON.parse(localStorage.getItem(key)));
}

// Resolves when the gateway has the event, rejects when it will not have it.
export function tell(listenerId, type, data, time = new Date()) {
  const event = {
    specversion: "1.0", type, id: uuid7(), source: "listening-page", subject: listenerId,
    time: time.toISOString(), data,
  };
  localStorage.setItem(KEPT + event.id, JSON.stringify(event));
  return new Promise((resolve, reject) => {
    waiting.push({ event, resolve, reject });
    sendWaiting();
  });
}

// Begins to send whatever waits; who has just signed in or is online again calls it too.
export function sendWaiting() {
  wakeUp();
  if (mine().length) sending ??= send().finally(() => (sending = null));
}

// Those of who is here now; another listener's wait until they are back.
const mine = () => waiting.filter(({ event }) => event.subject === session()?.listener_id);

async function send() {
  for (let pause = FIRST_PAUSE_MS; mine().length; ) {
    await new Promise((resolve) => setTimeout(resolve, MOMENT_MS));
    const batch = mine().slice(0, BATCH);
    if (!batch.length) return; // who was here has left
    try {
      settle(batch, await post("/v1/events", stamped(batch)));
    } catch (error) {
      if (error instanceof Refused && !isPassing(error) && error.status !== 401) {
        batch.forEach((each) => each.reject(error));
      } else {
        await new Promise((resolve) => { wakeUp = resolve; setTimeout(resolve, pauseAfter(error, pause)); });
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
        continue;
      }
    }
    for (const each of batch) {
      waiting.splice(waiting.indexOf(each), 1);
      localStorage.removeItem(KEPT + each.event.id);
    }
    pause = FIRST_PAUSE_MS;
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

// As `telling` ends; onWait() is called where that takes a while: there is no network, or the gateway does not answer.
export async function orWaiting(telling, onWait) {
  const timer = setTimeout(onWait, navigator.onLine ? SOON_MS : 0);
  try {
    return await telling;
  } finally {
    clearTimeout(timer);
  }
}

// The page may be going away: whatever waits leaves in a request that outlives it.
export function tellAtLast() {
  if (mine().length) call("POST", "/v1/events", stamped(mine().slice(0, BATCH)), { keepalive: true }).catch(() => {});
}

addEventListener("online", sendWaiting);
