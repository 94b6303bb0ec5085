// Small ways to make and change elements. Setting what is there already costs the browser a style
// pass, so every setter compares first.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(made, name, value);
  made.append(...children);
  return made;
}

/** Sets an attribute; null removes it. */
export function set(target, name, value) {
  const text = value === null || value === undefined ? null : String(value);
  if (target.getAttribute(name) === text) return;
  if (text === null) target.removeAttribute(name);
  else target.setAttribute(name, text);
}

/** Sets the text of an element that holds nothing else. Texts from the network only ever pass here. */
export function say(target, text) {
  const only = target.firstChild;
  if (only === null) {
    if (text !== "") target.append(text);
  } else if (only.data !== text) only.data = text;
}

export function show(target, visible) {
  if (target.hidden === visible) target.hidden = !visible;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Puts children in this order with as few moves as a list that is nearly right needs. */
export function order(parent, children) {
  let next = parent.firstChild;
  for (const child of children) {
    if (child === next) next = next.nextSibling;
    else parent.insertBefore(child, next);
  }
  while (next !== null) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

/** Elements that are made once and used again: what is drawn anew each second need not be made anew. */
export class Pool {
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.all = [];
    this.used = 0;
  }

  /** Takes all of them off the page. */
  clear() {
    for (const one of this.all.slice(0, this.used)) one.remove();
    this.used = 0;
  }

  take() {
    if (this.used === this.all.length) this.all.push(this.make());
    const one = this.all[this.used++];
    if (one.parentNode === null) this.parent.append(one);
    return one;
  }

  /** Draws so many things anew; those that stay in place are not touched. */
  draw(things, write) {
    const before = this.used;
    this.used = 0;
    for (const thing of things) write(this.take(), thing);
    for (let i = this.used; i < before; i++) this.all[i].remove();
  }
}
