// The clock of a broadcast: from its sending to its last arrival, as slowly as is wanted, and the
// strip below the map on which each arrival is a dot.

import { Pool, byId, say, set, shape } from "./dom.js";
import { milliseconds, whole } from "./format.js";
import { colourOf } from "./route.js";

const FIT_MS = 3500; // "whole" takes this long, whatever the broadcast took
const PASSING_MS = 450; // a new one, without being asked
const STEPS = 8; // pictures instead of motion, for those who do not want any

const ROWS_TOP = 4;
const ROWS_HEIGHT = 64;
const LEFT = 54;
const RIGHT = 44;

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Replay {
  /**
   * @param onTime takes the time to be shown, in milliseconds after the sending, and whether to jump
   * @param onTouched is told that somebody looks at this broadcast, and the next must not take its place
   */
  constructor(onTime, onTouched, requestFrame) {
    this.onTime = onTime;
    this.requestFrame = requestFrame;
    this.route = null;
    this.playing = null; // {begun, takes}
    this.slider = byId("time");
    this.button = byId("replay");
    this.speed = byId("speed");
    this.now = byId("time-now");
    this.svg = byId("strip");
    this.rows = new Pool(this.svg, () =>
      shape("g", { class: "hop" }, shape("text", { class: "hop-name" }), shape("line"), shape("path"), shape("text", { class: "hop-count", "text-anchor": "end" })),
    );
    this.ticks = new Pool(this.svg, () => shape("text", { class: "tick", "text-anchor": "middle" }));
    this.button.addEventListener("click", () => {
      onTouched();
      if (this.playing) this.finish();
      else this.play(this.chosenTime());
    });
    this.slider.addEventListener("input", () => {
      onTouched();
      this.stop();
      this.tell((this.slider.value / 1000) * this.end);
    });
    new ResizeObserver(([entry]) => {
      this.width = entry.contentRect.width;
      this.drawStrip();
    }).observe(this.svg);
  }

  get end() {
    return this.route?.end ?? 0;
  }

  /** Takes a route, and shows its end; if it is another one and in sight, plays it in passing. */
  load(route, inSight) {
    const another = route?.broadcast.id !== this.route?.broadcast.id;
    this.route = route;
    this.button.disabled = this.slider.disabled = !route?.steps.length;
    this.drawStrip();
    if (another && inSight && !stillness.matches && this.end > 0) this.play(PASSING_MS);
    else if (another || !this.playing) this.finish();
    else this.again();
  }

  /** Tells the time once more, to what was drawn anew. */
  again() {
    this.onTime(this.shownTime ?? Infinity, stillness.matches);
  }

  chosenTime() {
    const slower = Number(this.speed.value);
    return slower ? Math.max(50, this.end * slower) : FIT_MS;
  }

  play(takes) {
    if (!this.route?.steps.length) return;
    this.tell(0);
    this.playing = { begun: null, takes };
    this.sayButton();
    this.requestFrame();
  }

  stop() {
    this.playing = null;
    this.sayButton();
  }

  finish() {
    this.stop();
    this.tell(this.end);
  }

  /** Called once in each drawn frame. */
  advance(now) {
    if (!this.playing) return;
    this.playing.begun ??= now;
    const share = (now - this.playing.begun) / this.playing.takes;
    if (share >= 1) return this.finish();
    this.tell(this.end * (stillness.matches ? Math.floor(share * STEPS) / STEPS : share));
    this.requestFrame();
  }

  tell(ms) {
    this.slider.value = this.end ? (ms / this.end) * 1000 : 1000;
    const text = this.route?.steps.length ? milliseconds(ms) : "";
    set(this.slider, "aria-valuetext", text);
    say(this.now, text);
    // At the end all of it is there, however times were rounded.
    this.shownTime = ms >= this.end ? Infinity : ms;
    this.onTime(this.shownTime, stillness.matches);
  }

  sayButton() {
    say(this.button, this.playing ? "Stop" : "Replay");
  }

  drawStrip() {
    if (!this.width) return;
    const hops = this.route ? Map.groupBy(this.route.steps, (step) => step.hop) : new Map();
    const across = this.width - LEFT - RIGHT;
    const high = Math.min(20, ROWS_HEIGHT / Math.max(1, hops.size));
    const x = (ms) => LEFT + (this.end ? ms / this.end : 0) * across;
    const inOrder = [...hops.keys()].sort((a, b) => a - b);
    this.rows.draw(inOrder, (row, hop) => {
      const steps = hops.get(hop);
      const [name, line, dots, count] = row.children;
      const y = ROWS_TOP + (inOrder.indexOf(hop) + 0.5) * high;
      set(row, "data-colour", colourOf(hop));
      for (const text of [name, count]) set(text, "y", (y + 3.5).toFixed(1));
      set(count, "x", this.width - 2);
      say(name, `hop ${hop}`);
      say(count, whole(steps.length));
      for (const [end, at] of [["x1", LEFT], ["x2", LEFT + across], ["y1", y], ["y2", y]]) set(line, end, at);
      set(dots, "d", steps.filter((step) => step.told !== null).map((step) => `M${x(step.to).toFixed(1)} ${y}h0`).join(""));
    });
    this.ticks.draw(ticksOf(this.end, across), (tick, ms) => {
      set(tick, "x", x(ms).toFixed(1));
      set(tick, "y", ROWS_TOP + ROWS_HEIGHT + 12);
      say(tick, ms ? `${+ms.toFixed(3)}\u202fms` : "0");
    });
  }
}

function ticksOf(end, across) {
  if (!end) return [];
  const least = (end * 64) / across;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= least);
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}
