// Counts and rates of the whole cluster: a tile for each, its last five minutes as a line.

import { byId, element, say, set, shape } from "./dom.js";
import { bytes, milliseconds, NONE, rate, ratio, whole } from "./format.js";

const WIDE = 300;
const LEAST_SPAN_MS = 60000; // so that a page just opened shows more than a dot at its edge
const SPAN_MS = 300000;
const HIGH = 32;
const BREAK_MS = 5000; // nobody watched: no line across it

// Nodes tell at different moments what they received and what they delivered: over one second the
// quotient is mostly noise, and there is none in a second without deliveries.
const RATIO_SAMPLES = 10;

const perSecond = (write) => (value) => (value === null || value === undefined ? NONE : `${write(value)}/s`);

const TILES = [
  { name: "Broadcasts", lines: ["broadcasts"], write: perSecond(rate), totals: [["broadcasts", "in all"]] },
  { name: "Deliveries", lines: ["deliveries"], write: perSecond(rate), totals: [["deliveries", "in all"]] },
  { name: "Latency to the last node", lines: ["p50_ms", "p99_ms"], legend: ["p50", "p99"], write: milliseconds, wide: true, totals: [] },
  { name: "Bytes", lines: ["bytes_in", "bytes_out"], legend: ["in", "out"], write: perSecond(bytes), wide: true, totals: [["bytes_in", "in", bytes], ["bytes_out", "out", bytes]] },
  { name: "Copies per delivery", lines: [copiesPerDelivery], write: ratio, from: 1, least: 1.5, totals: [["copies", "copies"], ["duplicates", "duplicates"]] },
  { name: "Rounds against bound", rounds: true, lines: ["rounds", "bound"], legend: ["rounds", "bound"], wide: true, totals: [] },
  { name: "Repairs", lines: ["repairs"], write: perSecond(rate), totals: [["repairs", "in all"]] },
  { name: "Gaps", lines: ["gaps"], write: perSecond(rate), totals: [["gaps", "in all"]], bad: true },
  { name: "Drops", lines: ["drops"], write: perSecond(rate), totals: [["drops", "in all"]] },
  { name: "Kernel drops", lines: ["kernel_drops"], write: perSecond(rate), totals: [["kernel_drops", "in all"]], bad: true },
  { name: "Receipts", receipts: true, lines: [], totals: [["receipts_full", "full"], ["receipts_partial", "partial"]] },
];

export class Counts {
  constructor() {
    const root = byId("counts");
    this.tiles = TILES.map((about) => {
      const tile = { about, lines: [], totals: [] };
      tile.value = element("div", { class: "value" });
      tile.values = about.lines.map((_, i) => {
        const value = element("span", { "data-line": i });
        tile.value.append(...(about.legend ? [element("span", { class: "unit", "data-line": i }, about.legend[i]), value] : [value]));
        return value;
      });
      tile.foot = element("div", { class: "foot" });
      for (const [key, word, write = whole] of about.totals) {
        const total = element("span", { "data-testid": `total-${key}`, "data-value": 0 }, "0");
        tile.totals.push({ key, total, write });
        tile.foot.append(element("span", {}, total, ` ${word}`));
      }
      tile.svg = shape("svg", { class: "spark", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" });
      tile.paths = about.lines.map((_, i) => shape("path", { "data-line": i }));
      tile.svg.append(...tile.paths);
      tile.peak = element("div", { class: "peak", "aria-hidden": "true" });
      tile.root = element("div", { class: about.wide ? "tile wide" : "tile", role: "group", "aria-label": about.name }, element("h3", {}, about.name), tile.value, tile.svg, tile.peak, tile.foot);
      root.append(tile.root);
      return tile;
    });
    // Counters that no tile shows, for whoever reads the page by program.
    this.frames = ["frames_in", "frames_out"].map((key) => [key, byId(key)]);
    this.history = null;
    this.inSight = true;
    // A dozen lines that nobody sees would be felt in the table below them.
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.inSight = isIntersecting;
      if (isIntersecting && this.history !== null) this.drawHistory(this.history);
    }).observe(root);
  }

  update(state, changed) {
    if (changed.parts.has("totals")) this.drawTotals(state.totals);
    if (changed.parts.has("history")) {
      this.history = state.history;
      if (this.inSight) this.drawHistory(this.history);
    }
    if (changed.parts.has("broadcasts")) this.drawRounds(state.broadcasts);
  }

  drawTotals(totals) {
    for (const { about, totals: shown, values, value } of this.tiles) {
      for (const { key, total, write } of shown) {
        set(total, "data-value", totals[key] ?? 0);
        say(total, write(totals[key] ?? 0));
      }
      if (about.receipts && !values.length) {
        const all = (totals.receipts_full ?? 0) + (totals.receipts_partial ?? 0);
        say(value, all ? `${((100 * (totals.receipts_full ?? 0)) / all).toFixed(totals.receipts_partial ? 1 : 0)}% full` : NONE);
      }
    }
    for (const [key, total] of this.frames) {
      set(total, "data-value", totals[key] ?? 0);
      say(total, whole(totals[key] ?? 0));
    }
  }

  drawHistory(history) {
    for (const { about, values, paths, peak, root } of this.tiles) {
      if (!about.lines.length || about.rounds) continue;
      const read = about.lines.map((line) => (typeof line === "string" ? ({ [line]: value = null }) => value : line));
      const told = read.map((one) => history.map(one));
      const top = Math.max(...told.flat(), 0);
      const from = about.from ?? 0;
      told.forEach((line, i) => {
        say(values[i], about.write(line.at(-1)));
        set(paths[i], "d", pathOf(history, line, from, Math.max(top, about.least ?? from + 1e-9)));
      });
      say(peak, top > from ? about.write(top).replace("/s", "") : "");
      if (about.bad) set(root, "data-bad", top > 0 ? "" : null);
    }
  }

  // A line over the broadcasts that are listed, not over time: each counts once.
  drawRounds(broadcasts) {
    const { root, foot, values, paths } = this.tiles.find(({ about }) => about.rounds);
    const told = [...broadcasts.values()].filter((one) => one.settled && one.edges.length).sort((a, b) => a.t - b.t);
    const last = told.at(-1);
    const top = Math.max(1, ...told.map((one) => Math.max(one.rounds, one.bound)));
    ["rounds", "bound"].forEach((key, i) => {
      say(values[i], last ? whole(last[key]) : NONE);
      const step = WIDE / Math.max(1, told.length);
      const y = (value) => (HIGH - 1.5 - (value / top) * (HIGH - 3)).toFixed(1);
      set(paths[i], "d", told.map((one, at) => `${at ? "L" : "M"}${(at * step).toFixed(1)} ${y(one[key])}H${((at + 1) * step).toFixed(1)}`).join(""));
    });
    const within = told.filter((one) => one.rounds <= one.bound).length;
    say(foot, told.length ? `${within} of the last ${told.length} within the bound` : "");
    set(root, "data-bad", within < told.length ? "" : null);
  }
}

function copiesPerDelivery(_, at, history) {
  let [copies, deliveries] = [0, 0];
  for (let i = Math.max(0, at - RATIO_SAMPLES + 1); i <= at; i++) {
    copies += history[i].copies ?? 0;
    deliveries += history[i].deliveries ?? 0;
  }
  return deliveries ? copies / deliveries : null;
}

function pathOf(history, values, from, top) {
  const end = history.at(-1)?.t;
  const span = Math.min(SPAN_MS, Math.max(LEAST_SPAN_MS, end - history[0]?.t));
  let d = "";
  let before = null;
  for (const [i, sample] of history.entries()) {
    const value = values[i];
    if (value === null || end - sample.t > span) {
      before = null;
      continue;
    }
    const x = WIDE * (1 - (end - sample.t) / span);
    const y = HIGH - 1.5 - (Math.max(0, value - from) / (top - from)) * (HIGH - 3);
    d += `${before === null || sample.t - before > BREAK_MS ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    before = sample.t;
  }
  return d;
}
