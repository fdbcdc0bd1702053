// The gateway's HTTP API: calls that carry the token, and refusals in its words.

import { authorization, exchange } from "./session.js";
import { t } from "./strings.js";

// The gateway refused; `code` and `field` are for programs. `retryAfter` is its header, in seconds.
export class Refused extends Error {
  constructor(status, problem, retryAfter = null) {
    const seconds = Number(retryAfter) || 0;
    super(problem.code === "over_budget" ? t.errors.spent(seconds) : problem.expected ? t.errors.expected(problem.message, problem.expected) : problem.message);
    this.status = status;
    this.retryAfterMs = seconds * 1000;
    this.code = problem.code;
    this.field = problem.field;
  }
}

// The gateway does not answer.
export class Away extends Error {
  constructor() {
    super(t.errors.away);
  }
}

// Whether the same may go well later: nobody answers, the gateway has trouble, or a budget is spent for now.
export const isPassing = (error) => error instanceof Away || (error instanceof Refused && (error.status >= 500 || error.status === 429));

// The milliseconds until one tries again: `pause`, unless the gateway asks for more.
export const pauseAfter = (error, pause) => Math.max(pause, error?.retryAfterMs ?? 0);

const unexplained = (status) => ({ message: t.errors.status(status) });

async function answered(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(response.status, body.code ? body : (body.rejected?.[0]?.problem ?? unexplained(response.status)), response.headers.get("retry-after"));
}

// `options` are fetch's.
export async function call(method, path, body, options) {
  return sent(method, path, body, await authorization(postAs), options);
}

// A login's code becomes the token of this tab.
export const enterBy = (code, attributes) => exchange(postAs, code, attributes);

const postAs = async (path, body, token) => (await sent("POST", path, body, token && `Bearer ${token}`)).json();

async function sent(method, path, body, authorized, options = {}) {
  const headers = {
    ...(authorized && { Authorization: authorized }), ...(body !== undefined && { "Content-Type": "application/json" }),
  };
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), ...options }).catch((error) => {
    throw error.name === "AbortError" ? error : new Away();
  });
  return answered(response);
}

export const get = async (path, options) => (await call("GET", path, undefined, options)).json();
export const post = async (path, body, options) => (await call("POST", path, body, options)).json();
export const put = async (path, body) => (await call("PUT", path, body)).json();
export const remove = async (path, options) => (await call("DELETE", path, undefined, options)).json();
export const blob = async (path, options) => (await call("GET", path, undefined, options)).blob();
export const postForBlob = async (path, body, options) => (await call("POST", path, body, options)).blob();

// fetch cannot report how much of a body is sent; XMLHttpRequest can. `onProgress` is told a part from 0 to 1.
export async function upload(path, file, onProgress) {
  const authorized = await authorization(postAs);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Authorization", authorized);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Error(t.errors.uploadBroke));
    request.onload = () =>
      request.status < 300
        ? resolve(request.response)
        : reject(new Refused(request.status, request.response ?? unexplained(request.status), request.getResponseHeader("retry-after")));
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}
