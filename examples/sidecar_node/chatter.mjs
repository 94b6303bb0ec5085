// A member of the cluster for Node.js: talks to `chatter node --json`, one JSON object a line.
// No dependencies; copy it into your program.

import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { createInterface } from "node:readline";

/**
 * Emits `message`, `peer` and `gap` with the sidecar's events, and `exit` with its status.
 * For messages of one kind, `on("message:TAG", (body, message) => …)`.
 */
export class Chatter extends EventEmitter {
  #process;
  #pending = new Map();
  #ref = 0;
  #exited;

  /**
   * Starts the sidecar; resolves when it is a member.
   *
   * @param {string[]} options of `chatter node`, such as `["--address", "10.0.1.7:29999"]`
   * @param {string} command the program, if it is not on the PATH
   */
  static start(options = [], command = "chatter") {
    const chatter = new Chatter();
    return chatter.#start(options, command);
  }

  #start(options, command) {
    // stderr is the sidecar's log. It goes where ours goes.
    this.#process = spawn(command, ["node", "--json", ...options], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#exited = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.stdin.on("error", () => {}); // it has ended; `close` tells
    return new Promise((resolve, reject) => {
      this.#process.once("error", reject); // no such program
      this.#exited.then((status) => {
        const error = new Error(`chatter node ended with status ${status}`);
        reject(error);
        for (const { reject: refuse } of this.#pending.values()) refuse(error);
        this.#pending.clear();
        this.emit("exit", status);
      });
      createInterface({ input: this.#process.stdout }).on("line", (line) => {
        const event = JSON.parse(line);
        if (event.event === "ready") {
          this.address = event.address;
          resolve(this);
        } else {
          this.#take(event);
        }
      });
    });
  }

  #take(event) {
    const waiting = this.#pending.get(event.ref);
    if (event.event === "message") {
      this.emit("message", event);
      this.emit(`message:${event.tag}`, event.body, event);
    } else if (waiting === undefined) {
      if (event.event !== "error") this.emit(event.event, event);
    } else if (event.event === "error") {
      this.#pending.delete(event.ref);
      waiting.reject(new Error(event.message));
    } else if (event.event === waiting.until) {
      this.#pending.delete(event.ref);
      waiting.resolve(event);
    }
  }

  #request(request, until) {
    const ref = ++this.#ref;
    return new Promise((resolve, reject) => {
      this.#pending.set(ref, { resolve, reject, until });
      this.#process.stdin.write(`${JSON.stringify({ ...request, ref })}\n`);
    });
  }

  /**
   * Sends a body to all others, or to those in `to`. Resolves when it is sent; with `confirm` when
   * all have answered, or after `timeout_s`: then `delivered` and `missing` say who has it.
   */
  broadcast(tag, body, { to = null, confirm = false, timeout_s = 2 } = {}) {
    const broadcast = { tag, body, to, confirm, timeout_s };
    return this.#request({ broadcast }, confirm ? "receipt" : "sent");
  }

  /** Who is there: a list of `{address, state, …}`. */
  async peers() {
    return (await this.#request({ peers: true }, "peers")).peers;
  }

  /** The counters of the node. */
  async stats() {
    return (await this.#request({ stats: true }, "stats")).counters;
  }

  /** Leaves the cluster; resolves to the sidecar's exit status, 0 if all was well. */
  leave() {
    this.#process.stdin.end(`${JSON.stringify({ leave: true })}\n`);
    return this.#exited;
  }
}
