// The box to send a test broadcast, and what becomes of it.

import { byId, say, set, show } from "./dom.js";
import { milliseconds, plural, whole } from "./format.js";

const GIVE_UP_MS = 10000;

export class SendBox {
  /** @param send hands an order to the connection; @param onSent takes the id of what was sent */
  constructor(send, onSent) {
    this.send = send;
    this.onSent = onSent;
    this.form = byId("send-form");
    this.result = byId("send-result");
    this.last = 0; // the order whose answers are shown
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  update(state, changed) {
    if (changed.everything) show(byId("send"), state.maySend);
  }

  submit() {
    const to = byId("send-to").value.split(/[\s,]+/).filter(Boolean);
    const order = { type: "send", ref: ++this.last, tag: byId("send-tag").value, body: bodyOf(byId("send-body").value), to: to.length ? to : null };
    if (!this.send(order)) return this.tell("error", "Not connected: nothing was sent.");
    this.tell("waiting", "Sending …");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell("error", "No answer from the node."), GIVE_UP_MS);
  }

  /** Takes an answer of the node. */
  answer(message) {
    if (message.ref !== this.last) return;
    if (message.type === "error") this.tell("error", `Refused: ${message.message}`);
    else if (message.type === "sent") {
      this.tell("waiting", `Sent to ${plural(message.recipients, "node")}, waiting for the receipt …`);
      this.onSent(message.id);
      return;
    } else if (message.type === "receipt") {
      const all = message.delivered.length + message.missing.length;
      const took = `after ${milliseconds(message.elapsed_ms)}`;
      if (!message.missing.length) this.tell("full", `Delivered to ${all === 0 ? "nobody: no other node" : `all ${plural(all, "node")}`} ${took}.`);
      else this.tell("partial", `Delivered to ${whole(message.delivered.length)} of ${plural(all, "node")} ${took}. Missing: ${message.missing.join(", ")}`);
    }
    clearTimeout(this.timer);
  }

  /** The connection is gone, and with it any answer. */
  lost() {
    if (this.result.dataset.state !== "waiting") return;
    clearTimeout(this.timer);
    this.tell("error", "The connection was lost before the receipt came.");
  }

  tell(state, text) {
    set(this.result, "data-state", state);
    say(this.result, text);
  }
}

// What is no JSON is meant as a text.
function bodyOf(typed) {
  try {
    return JSON.parse(typed);
  } catch {
    return typed;
  }
}
