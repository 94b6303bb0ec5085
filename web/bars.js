// Counts by name as bars: deliveries of each tag, drops of each reason.

import { element, order, say, set, show } from "./dom.js";
import { whole } from "./format.js";

const MAX_BARS = 40;

export class Bars {
  /** @param part of the state that holds them; @param name of one, for tests: "tag" */
  constructor(part, name, list, empty, write = (key) => key) {
    Object.assign(this, { part, name, list, empty, write });
    this.rows = new Map();
  }

  update(state, changed) {
    if (!changed.parts.has(this.part)) return;
    const all = Object.entries(state[this.part]).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const largest = Math.max(1, all[0]?.[1] ?? 0);
    const shown = all.slice(0, MAX_BARS);
    const keys = new Set(shown.map(([key]) => key));
    for (const key of this.rows.keys()) if (!keys.has(key)) this.rows.delete(key);
    order(this.list, shown.map(([key, value]) => this.row(key, value, value / largest)));
    show(this.empty, shown.length === 0);
    set(this.list, "data-more", all.length > MAX_BARS ? `and ${all.length - MAX_BARS} more` : null);
  }

  row(key, value, share) {
    let row = this.rows.get(key);
    if (row === undefined) {
      row = element("li", { "data-testid": this.name, [`data-${this.name}`]: key }, element("bdi", { title: key }, this.write(key)), element("span", { class: "count" }), element("span", { class: "bar" }));
      this.rows.set(key, row);
    }
    const [, count, bar] = row.children;
    set(row, "data-value", value);
    say(count, whole(value));
    const scale = `scaleX(${share.toFixed(3)})`;
    if (bar.style.transform !== scale) bar.style.transform = scale;
    return row;
  }
}
