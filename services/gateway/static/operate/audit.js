// Who did what, when and why: everything that needed somebody's rights.

import { h } from "../common/dom.js";
import { date, short } from "../common/format.js";
import { get } from "../common/http.js";
import { t } from "../common/strings.js";
import { table } from "../common/table.js";
import { watched } from "./watched.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function audit() {
  const words = t.operate.audit;
  const place = h("div", { "aria-live": "polite" });
  watched(place, ["audit"], () => get("/v1/audit?limit=500"), (found) => table(words.list,
    [words.when, words.who, words.what, words.about, words.why],
    found.map(({ at, name, kind, action, subject, reason }) => [
      date(at), words.by(UUID.test(name) ? short(name) : name, kind), words.did(action), UUID.test(subject) ? short(subject) : subject ?? "", reason,
    ]), { none: words.none }));
  return place;
}
