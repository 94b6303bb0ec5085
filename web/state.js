// What the node told, as plain values, and what of it changed since it was last drawn.

const MAX_SAMPLES = 300;
const MAX_BROADCASTS = 50;

/** What changed since the last drawing; views look only at what is in here. */
export class Changed {
  constructor() {
    this.everything = false;
    this.nodes = new Map(); // address -> set of keys
    this.members = false; // who is there, or in which segment
    this.parts = new Set(); // "totals", "tags", "drops", "history", "broadcasts"
  }
}

export class State {
  constructor() {
    this.known = false;
    this.local = "";
    this.label = "";
    this.chatter = "";
    this.maySend = false;
    this.nodes = new Map();
    this.byNumber = new Map();
    this.totals = {};
    this.tags = Object.create(null); // a tag may be called "__proto__"
    this.drops = Object.create(null);
    this.history = [];
    this.broadcasts = new Map();
    this.changed = new Changed();
  }

  /** Takes in a message; false if it is none of the two that tell the state. */
  apply(message) {
    if (message.type === "snapshot") this.replace(message);
    else if (message.type === "changes") this.merge(message);
    else return false;
    return true;
  }

  /** Whether nobody else is there to be told anything. */
  get alone() {
    let here = 0;
    for (const node of this.nodes.values()) if (node.state === "alive" || node.state === "suspect") here++;
    return here <= 1;
  }

  takeChanged() {
    const changed = this.changed;
    this.changed = new Changed();
    return changed;
  }

  replace(snapshot) {
    this.known = true;
    this.local = snapshot.local;
    this.label = snapshot.label;
    this.chatter = snapshot.chatter;
    this.maySend = snapshot.may_send;
    this.nodes.clear();
    this.byNumber.clear();
    this.broadcasts.clear();
    this.totals = {};
    this.tags = Object.create(null);
    this.drops = Object.create(null);
    this.history = [];
    this.merge(snapshot);
    this.changed.everything = this.changed.members = true;
    for (const part of ["totals", "tags", "drops", "history", "broadcasts"]) this.changed.parts.add(part);
  }

  merge(message) {
    for (const address of message.gone ?? []) this.remove(address);
    for (const [address, news] of Object.entries(message.nodes ?? {})) this.mergeNode(address, news);
    for (const part of ["totals", "tags", "drops"]) {
      if (!message[part]) continue;
      Object.assign(this[part], message[part]);
      this.changed.parts.add(part);
    }
    if (message.history?.length) {
      this.history.push(...message.history);
      this.history.splice(0, this.history.length - MAX_SAMPLES);
      this.changed.parts.add("history");
    }
    if (message.broadcasts?.length) {
      for (const one of message.broadcasts) this.broadcasts.set(one.id, one);
      this.keepNewest();
      this.changed.parts.add("broadcasts");
    }
  }

  mergeNode(address, news) {
    let node = this.nodes.get(address);
    if (node === undefined) {
      node = { address };
      this.nodes.set(address, node);
      this.changed.members = true;
    }
    if ("segment" in news && news.segment !== node.segment) this.changed.members = true;
    Object.assign(node, news);
    this.byNumber.set(node.n, node);
    let keys = this.changed.nodes.get(address);
    if (keys === undefined) this.changed.nodes.set(address, (keys = new Set()));
    for (const key in news) keys.add(key);
  }

  // Its number stays known: broadcasts that name it are still shown.
  remove(address) {
    if (!this.nodes.delete(address)) return;
    this.changed.nodes.delete(address);
    this.changed.members = true;
  }

  keepNewest() {
    if (this.broadcasts.size <= MAX_BROADCASTS) return;
    const oldestFirst = [...this.broadcasts.values()].sort((a, b) => a.t - b.t);
    for (const one of oldestFirst.slice(0, -MAX_BROADCASTS)) this.broadcasts.delete(one.id);
  }
}
