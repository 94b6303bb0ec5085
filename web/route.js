// The way of one broadcast: who served whom, and from when to when. Pure.

import { milliseconds, plural } from "./format.js";

/** As many hops have a colour of their own; the tree of a thousand segments has eleven rounds. */
export const HOP_COLOURS = 5;

export const colourOf = (hop) => Math.min(hop, HOP_COLOURS);

/**
 * @returns steps in order of arrival, each {server, recipient, hop, way, told, from, to}: `told` are
 *   the milliseconds as told, null while unknown; `from` and `to` are for drawing and always known;
 *   and how each node got it, by its number.
 */
export function routeOf(broadcast) {
  const steps = broadcast.edges
    .map(([server, recipient, hop, way, told]) => ({ server, recipient, hop, way, told, from: 0, to: 0 }))
    .sort((a, b) => a.hop - b.hop);
  const told = steps.filter((step) => step.told !== null).map((step) => step.told);
  const usual = told.length ? Math.max(...told) / Math.max(1, broadcast.rounds) : 1;
  const byRecipient = new Map();
  for (const step of steps) {
    step.from = byRecipient.get(step.server)?.to ?? 0;
    step.to = step.told ?? step.from + usual;
    // Ages are known to a millisecond or so; nobody gets it before its server had it.
    if (step.from >= step.to) step.from = Math.max(0, step.to - usual / 10);
    byRecipient.set(step.recipient, step);
  }
  steps.sort((a, b) => a.to - b.to);
  return { broadcast, steps, byRecipient, end: steps.length ? steps[steps.length - 1].to : 0 };
}

/** Multicasts as they were sent: all that one server reached by multicast on one hop. */
export function multicastsOf(route) {
  const found = new Map();
  for (const step of route.steps) {
    if (step.way !== "multicast") continue;
    const key = `${step.server}/${step.hop}`;
    const one = found.get(key);
    if (one === undefined) found.set(key, { server: step.server, hop: step.hop, steps: [step] });
    else one.steps.push(step);
  }
  return [...found.values()];
}

/** The tree in words, a line for each server, for those who do not see the drawing. */
export function linesOf(route, nameOf) {
  const lines = [];
  const byServer = Map.groupBy(route.steps, (step) => step.server);
  const visited = new Set();
  const visit = (server, depth) => {
    if (visited.has(server)) return; // told by nodes: nothing promises that it is a tree
    visited.add(server);
    for (const [way, steps] of Map.groupBy(byServer.get(server) ?? [], (step) => step.way)) {
      const names = steps.map((step) => `${nameOf(step.recipient)} (${milliseconds(step.told)})`);
      lines.push({
        depth,
        text: `Hop ${steps[0].hop}: ${nameOf(server)} by ${way === "tcp" ? "TCP" : "multicast"} to ${names.join(", ")}`,
      });
    }
    for (const step of byServer.get(server) ?? []) visit(step.recipient, depth + 1);
  };
  visit(route.broadcast.origin, 0);
  for (const server of byServer.keys()) visit(server, 0);
  const { missing } = route.broadcast;
  if (missing.length) lines.push({ depth: 0, text: `Missing: ${missing.map(nameOf).join(", ")}` });
  return lines;
}

/** How far it got, in a few words. */
export function reachOf({ recipients, edges, missing, settled }) {
  if (recipients === null) return `${plural(edges.length, "node")}${settled ? "" : " so far"}`;
  const reached = `${edges.length} of ${plural(recipients, "node")}`;
  return missing.length ? `${reached}, ${missing.length} missing` : reached;
}
