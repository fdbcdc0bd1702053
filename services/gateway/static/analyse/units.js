// How differences are written: in the metric's unit, or as a share of the baseline.

import { percent, signed } from "../common/format.js";
import { t } from "../common/strings.js";

const isShare = (unit, { scale }) => scale === "relative" || unit !== "stars";

// `say` writes one number, `tick` is the format of an axis.
export const formats = (state, unit) =>
  isShare(unit, state) ? { say: percent, tick: "+.0%" } : { say: signed, tick: "+.2~f" };

export const axis = (answer, { scale }) => t.analyse.axis(answer, scale === "absolute" ? answer.unit : t.analyse.shareOfBaseline);
