"use strict";
// What the figures share: elements, numbers, colours, the tooltip.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]; // Okabe and Ito
const STOPS = ("440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 " +
  "d8e219 fde725").split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16))); // viridis
const UNKNOWN = [227, 227, 227];
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

// Names come from anywhere: what prints nothing of its own is written out, as Python writes it (core/visible.py).
const visible = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (each) => {
  const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[each];
  const code = each.codePointAt(0), digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  return named ?? `\\${{ 2: "x", 4: "u", 8: "U" }[digits]}${code.toString(16).padStart(digits, "0")}`;
});

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    node.setAttribute(name, name === "aria-label" ? visible(value) : value);
  for (const child of [].concat(children)) node.append(typeof child === "string" ? visible(child) : child);
  return node;
}
const html = (name, attributes = {}, children = []) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, children = []) => fill(document.createElementNS(SVG, name), attributes, children);

const shown = (value) => (Number.isFinite(value) ? value.toFixed(4) : "unknown");

const SHADES = Array.from({ length: 1024 }, (_, index) => { // viridis from 0 to 1
  const at = (index / 1023) * (STOPS.length - 1), low = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[low].map((from, channel) => Math.round(from + (STOPS[low + 1][channel] - from) * (at - low)));
});
const colour = (position) => // 0..1 -> [r, g, b]
  Number.isFinite(position) ? SHADES[Math.round(Math.min(Math.max(position, 0), 1) * 1023)] : UNKNOWN;

function decode(base64) { // little-endian float32, as Python packed them
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

const ruler = document.createElement("canvas").getContext("2d");
const FONT = getComputedStyle(document.body).fontFamily;
function textWidth(text, size) {
  ruler.font = `${size}px ${FONT}`;
  return ruler.measureText(visible(text)).width;
}

const tip = {
  show(lines, x, y) {
    const node = byId("tip");
    node.replaceChildren(...lines.map(([name, text]) => html(name, {}, text)));
    node.hidden = false;
    const box = node.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
    const top = y + 16 + box.height > innerHeight ? y - 12 - box.height : y + 16;
    node.style.left = `${Math.max(4, left)}px`;
    node.style.top = `${Math.max(4, top)}px`;
  },
  hide() { byId("tip").hidden = true; },
};
