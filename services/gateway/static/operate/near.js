// How near a guardrail is to its bound.

const NEAR = 5; // times its bound: an operator should know

// Full where a guardrail ends the release; empty where nothing speaks against the candidate.
export const nearness = ({ p, allowed }) => Math.min(1, Math.max(0, Math.log(p) / Math.log(allowed)));
export const isNear = ({ p, allowed }) => p <= NEAR * allowed;
export const nearFrom = ({ allowed }) => nearness({ p: NEAR * allowed, allowed });
