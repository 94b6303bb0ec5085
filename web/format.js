// How numbers and names are written, in one place, so that the same thing looks the same everywhere.

const THIN = "\u202f";
export const NONE = "–";

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

const known = (value) => value !== null && value !== undefined;

/** 12 345 */
export function whole(value) {
  return known(value) ? WHOLE.format(value).replaceAll(",", THIN) : NONE;
}

/** Three digits, which is as much as a rate deserves: 0, 0.4, 12.3, 1 234, 45.6 k. */
export function rate(value) {
  if (!known(value)) return NONE;
  if (value === 0) return "0";
  if (value < 100) return value.toFixed(1).replace(/\.0$/, "");
  if (value < 10000) return whole(value);
  return value < 1e6 ? `${scaled(value / 1e3)}${THIN}k` : `${scaled(value / 1e6)}${THIN}M`;
}

export function bytes(value) {
  if (!known(value)) return NONE;
  let unit = 0;
  while (value >= 1000 && unit < 4) {
    value /= 1000;
    unit++;
  }
  return `${unit ? scaled(value) : Math.round(value)}${THIN}${["B", "kB", "MB", "GB", "TB"][unit]}`;
}

export function milliseconds(value) {
  if (!known(value)) return NONE;
  if (value === 0) return `0${THIN}ms`;
  if (value >= 10000) return `${scaled(value / 1000)}${THIN}s`;
  return `${value >= 100 ? whole(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2)}${THIN}ms`;
}

export function duration(seconds) {
  if (!known(seconds)) return NONE;
  const part = (value, unit) => `${value}${THIN}${unit}`;
  const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (d) return `${part(d, "d")} ${part(h, "h")}`;
  if (h) return `${part(h, "h")} ${part(m, "min")}`;
  return m ? `${part(m, "min")} ${part(Math.floor(seconds % 60), "s")}` : part(Math.floor(seconds), "s");
}

export function clock(unixMs) {
  return CLOCK.format(unixMs);
}

export function ratio(value) {
  return known(value) && Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : 1) : NONE;
}

export function plural(count, one, many = `${one}s`) {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

function scaled(value) {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** The part of addresses in which they differ: most clusters use one port, or one host. */
export function shortener(addresses) {
  const parts = addresses.map(split);
  const oneOf = (index) => new Set(parts.map((part) => part[index])).size === 1;
  if (oneOf(1)) return (address) => split(address)[0];
  if (oneOf(0)) return (address) => `:${split(address)[1]}`;
  return (address) => address;
}

function split(address) {
  const at = address.lastIndexOf(":");
  return at < 0 ? [address, ""] : [address.slice(0, at), address.slice(at + 1)];
}

const SPLIT_DIGITS = /(\d+)/;

/** Sorts 10.0.0.9 before 10.0.0.10. */
export function compareNames(a, b) {
  const [left, right] = [a.split(SPLIT_DIGITS), b.split(SPLIT_DIGITS)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] === right[i]) continue;
    return i % 2 ? left[i] - right[i] : left[i] < right[i] ? -1 : 1;
  }
  return left.length - right.length;
}
