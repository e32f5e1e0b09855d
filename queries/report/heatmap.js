// Layers × layers on a canvas, one image pixel a cell, scaled without smoothing; labels and borders are SVG above it.

class Heatmap {
  constructor(root, { onPick, onPoint }) {
    this.canvas = root.querySelector("canvas");
    this.labels = root.querySelector("svg");
    this.root = root;
    this.onPick = onPick;
    this.onPoint = onPoint;
    this.cursor = null;
    this.canvas.addEventListener("pointermove", (event) => this.point(this.cellAt(event), event.clientX, event.clientY));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("click", (event) => this.pick(this.cellAt(event)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => this.point(null));
  }

  // view: {rows: [layer], columns: [layer], value(i, j), position(value)}, a layer being {model, family, layer}
  draw(view) {
    this.view = view;
    this.cursor = null;
    this.point(null);
    this.lay(this.root.clientWidth);
    this.paint();
    this.write();
  }

  lay(width) {
    const { rows, columns } = this.view;
    const longest = Math.max(...rows.map((layer) => textWidth(layer.model, 12)));
    this.numbered = longest > width * 0.24; // a narrow window has no room for names: numbers, and a key below
    const ticks = 22;
    const left = (this.numbered ? 16 : longest + 8) + ticks;
    const size = Math.min((width - left - 4) / columns.length, 46, Math.max(900 / rows.length, 5));
    const names = blocksOf(columns).map((block) => [textWidth(block.model, 12), block.length * size]);
    this.turned = !this.numbered && names.some(([text, room]) => text > room - 4);
    const below = this.turned ? 36 + Math.max(...names.map(([text]) => text)) * 0.71 : 40;
    this.box = { left, top: 18, size, width: size * columns.length, height: size * rows.length, below };
  }

  paint() {
    const { rows, columns, value, position } = this.view;
    const { left, top, width, height } = this.box;
    const image = new ImageData(columns.length, rows.length);
    for (let i = 0, at = 0; i < rows.length; i++)
      for (let j = 0; j < columns.length; j++) {
        const [red, green, blue] = colour(position(value(i, j)));
        image.data[at++] = red; image.data[at++] = green; image.data[at++] = blue; image.data[at++] = 255;
      }
    const small = Object.assign(document.createElement("canvas"), { width: columns.length, height: rows.length });
    small.getContext("2d").putImageData(image, 0, 0);
    const sharp = Math.max(2, devicePixelRatio || 1); // sharp in print too
    Object.assign(this.canvas, { width: Math.round(width * sharp), height: Math.round(height * sharp) });
    Object.assign(this.canvas.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }

  write() {
    const { left, top, width, height, below } = this.box;
    const total = { width: left + width + 4, height: top + height + below };
    fill(this.labels, { ...total, viewBox: `0 0 ${total.width} ${total.height}` }, []);
    this.labels.replaceChildren(...this.sides(), ...this.borders(), ...this.numbers(), this.frame());
  }

  sides() {
    const { left, top, width, height, size } = this.box;
    const marks = [];
    blocksOf(this.view.rows).forEach((block, index) => {
      const middle = top + (block.start + block.length / 2) * size;
      const text = this.numbered ? String(index + 1) : block.model;
      marks.push(svg("text", { x: left - 24, y: middle + 4, "text-anchor": "end", "font-size": 12 }, text));
      for (const [place, layer] of ticksOf(block, size, 11))
        marks.push(svg("text", { x: left - 4, y: top + (place + 0.5) * size + 3, "text-anchor": "end", "font-size": 9.5,
          class: "muted" }, String(layer)));
    });
    blocksOf(this.view.columns).forEach((block, index) => {
      const x = left + (block.start + block.length / 2) * size, y = top + height + 28;
      const turn = this.turned ? { transform: `rotate(-45 ${x} ${y})`, "text-anchor": "end" } : { "text-anchor": "middle" };
      const text = this.numbered ? String(index + 1) : block.model;
      marks.push(svg("text", { x, y: y + (this.turned ? 0 : 2), "font-size": 12, ...turn }, text));
      for (const [place, layer] of ticksOf(block, size, 15))
        marks.push(svg("text", { x: left + (place + 0.5) * size, y: top + height + 12, "text-anchor": "middle",
          "font-size": 9.5, class: "muted" }, String(layer)));
    });
    const spans = spansOf(this.view.columns, (layer) => layer.family);
    if (blocksOf(this.view.columns).length > 1)
      for (const span of spans) {
        const x = left + (span.start + span.length / 2) * size;
        if (textWidth(span.name, 11) < span.length * size)
          marks.push(svg("text", { x, y: top - 5, "text-anchor": "middle", "font-size": 11, class: "muted" }, span.name));
      }
    return marks;
  }

  borders() {
    const { left, top, width, height, size } = this.box;
    const lines = [];
    const add = (layers, draw) => {
      const ends = new Set(spansOf(layers, (layer) => layer.family).map((span) => span.start));
      for (const block of blocksOf(layers).slice(1))
        lines.push(svg("line", { ...draw(block.start * size), stroke: "#fff", "stroke-width": ends.has(block.start) ? 3 : 1 }));
    };
    add(this.view.rows, (at) => ({ x1: left, x2: left + width, y1: top + at, y2: top + at }));
    add(this.view.columns, (at) => ({ x1: left + at, x2: left + at, y1: top, y2: top + height }));
    return lines;
  }

  numbers() {
    const { rows, columns, value, position } = this.view;
    const { left, top, size } = this.box;
    if (size < 27) return [];
    const texts = [];
    rows.forEach((_, i) => columns.forEach((_, j) => {
      const found = value(i, j);
      if (!Number.isFinite(found)) return;
      const dark = position(found) > 0.55;
      texts.push(svg("text", { x: left + (j + 0.5) * size, y: top + (i + 0.5) * size + 4, "text-anchor": "middle",
        "font-size": Math.min(12, size * 0.34), style: `fill:${dark ? "#000" : "#fff"}` }, found.toFixed(2)));
    }));
    return texts;
  }

  frame() {
    this.mark = svg("rect", { fill: "none", stroke: "#fff", "stroke-width": 2, visibility: "hidden",
      style: "filter:drop-shadow(0 0 1px #000)" });
    return this.mark;
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const i = Math.floor(((event.clientY - box.top) / box.height) * this.view.rows.length);
    const j = Math.floor(((event.clientX - box.left) / box.width) * this.view.columns.length);
    return this.view.rows[i] && this.view.columns[j] ? [i, j] : null;
  }

  // Mark a cell and say what it is; null takes the mark away.
  point(cell, x, y) {
    if (!cell) {
      if (this.mark) this.mark.setAttribute("visibility", "hidden");
      return tip.hide();
    }
    const { left, top, size } = this.box;
    const [i, j] = cell;
    fill(this.mark, { x: left + j * size, y: top + i * size, width: size, height: size, visibility: "visible" }, []);
    const corner = this.canvas.getBoundingClientRect();
    this.onPoint(this.view.rows[i], this.view.columns[j], this.view.value(i, j),
      x ?? corner.left + (j + 1) * size, y ?? corner.top + (i + 1) * size);
  }

  pick(cell) {
    if (cell) this.onPick(this.view.rows[cell[0]], this.view.columns[cell[1]]);
  }

  key(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Enter" && this.cursor) return this.pick(this.cursor);
    if (!steps[event.key]) return;
    event.preventDefault();
    const limit = [this.view.rows.length, this.view.columns.length];
    this.cursor = !this.cursor ? [0, 0]
      : this.cursor.map((at, side) => Math.min(Math.max(at + steps[event.key][side], 0), limit[side] - 1));
    this.point(this.cursor);
  }
}

function spansOf(layers, nameOf) { // runs of adjacent layers with one name
  const spans = [];
  layers.forEach((layer, index) => {
    const last = spans[spans.length - 1];
    if (last && last.name === nameOf(layer)) last.length += 1;
    else spans.push({ name: nameOf(layer), start: index, length: 1 });
  });
  return spans;
}

function blocksOf(layers) { // runs of layers of one model
  return spansOf(layers, (layer) => layer.model).map((span) => ({ ...span, model: span.name,
    layers: layers.slice(span.start, span.start + span.length).map((layer) => layer.layer) }));
}

function ticksOf(block, size, room) { // [place, layer number], as many as fit, the first always
  const step = [1, 2, 3, 4, 6, 12, 24, 48].find((candidate) => candidate * size >= room) || 1000;
  const end = Math.max(1, block.length - (step > 1 ? Math.ceil(room / size / 2) : 0));
  return block.layers.map((layer, index) => [block.start + index, layer])
    .filter((_, index) => index % step === 0 && index < end);
}
