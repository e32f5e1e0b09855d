// Small charts of rows: dots (one line a category) and lines (one panel a group). Every mark says its value on hover.

const SHAPES = [
  (x, y) => svg("circle", { cx: x, cy: y, r: 5 }),
  (x, y) => svg("rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9 }),
  (x, y) => svg("path", { d: `M${x} ${y - 6}L${x + 5.5} ${y + 4}L${x - 5.5} ${y + 4}Z` }),
  (x, y) => svg("path", { d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z` }),
];

function mark(series, x, y, lines) {
  const node = SHAPES[series % SHAPES.length](x, y);
  fill(node, { fill: COLOURS[series % COLOURS.length], stroke: "#fff", "stroke-width": 1, class: "mark" }, []);
  node.addEventListener("pointermove", (event) => tip.show(lines, event.clientX, event.clientY));
  node.addEventListener("pointerleave", () => tip.hide());
  return node;
}

function legend(names) {
  return html("ul", { class: "legend" }, names.map((name, index) => {
    const sample = svg("svg", { width: 13, height: 13, "aria-hidden": "true" });
    sample.append(fill(SHAPES[index % SHAPES.length](6.5, 6.5), { fill: COLOURS[index % COLOURS.length] }, []));
    return html("li", {}, [sample, name]);
  }));
}

function niceTicks(low, high) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10].find((each) => (high - low) / each <= 5.01) || (high - low) / 5;
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9; at += step) ticks.push(Number(at.toFixed(6)));
  return ticks;
}

// spec: {title, low, high, axis, series: [name], groups: [{name, points: [{series, value, low?, high?, is_joined}]}]}
function dots(spec, width) {
  const left = Math.min(Math.max(...spec.groups.map((group) => textWidth(group.name, 13))) + 12, width * 0.42);
  const line = 34, height = spec.groups.length * line, right = 14;
  const scale = (value) => left + ((value - spec.low) / (spec.high - spec.low)) * (width - left - right);
  const picture = svg("svg", { width, height: height + 40, viewBox: `0 0 ${width} ${height + 40}`, role: "img",
    "aria-label": `${spec.title}. ${spec.caption}` });
  for (const tick of niceTicks(spec.low, spec.high))
    picture.append(
      svg("line", { x1: scale(tick), x2: scale(tick), y1: 0, y2: height, stroke: "#d8dee4" }),
      svg("text", { x: scale(tick), y: height + 16, "text-anchor": "middle", "font-size": 11, class: "muted" }, String(tick)));
  picture.append(svg("text", { x: (left + width - right) / 2, y: height + 34, "text-anchor": "middle", "font-size": 12 }, spec.axis));
  spec.groups.forEach((group, index) => {
    const y = (index + 0.5) * line, values = group.points.filter((point) => point.is_joined).map((point) => point.value);
    picture.append(svg("text", { x: left - 10, y: y + 4, "text-anchor": "end", "font-size": 13 }, fitted(group.name, left - 12, 13)));
    if (values.length)
      picture.append(svg("line", { x1: scale(Math.min(...values)), x2: scale(Math.max(...values)), y1: y, y2: y, stroke: "#afb8c1", "stroke-width": 2 }));
    for (const point of group.points) {
      if (Number.isFinite(point.low))
        picture.append(svg("line", { x1: scale(point.low), x2: scale(point.high), y1: y, y2: y, "stroke-width": 5,
          "stroke-opacity": 0.35, stroke: COLOURS[point.series % COLOURS.length] }));
      const interval = Number.isFinite(point.low) ? [["div", `${spec.interval}: ${shown(point.low)} to ${shown(point.high)}`]] : [];
      picture.append(mark(point.series, scale(point.value), y,
        [["b", shown(point.value)], ["div", `${group.name}, ${spec.series[point.series]}`], ...interval]));
    }
  });
  return [legend(spec.series), picture];
}

function fitted(text, room, size) {
  let kept = visible(text);
  if (textWidth(kept, size) <= room) return kept;
  while (kept.length > 4 && textWidth(`${kept}…`, size) > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

// spec: {title, low, high, x, axis, panels: [{name, lines: [{series, points: [[x, value]], band: [[x, low, high]]}]}], series: [name]}
function lines(spec, width) {
  const columns = Math.max(1, Math.min(spec.panels.length, Math.floor(width / 230)));
  const each = width / columns, height = 190, left = 56, foot = 44, head = 30;
  const rows = Math.ceil(spec.panels.length / columns);
  const total = rows * (height + head + foot);
  const picture = svg("svg", { width, height: total, viewBox: `0 0 ${width} ${total}`, role: "img",
    "aria-label": `${spec.title}. ${spec.caption}` });
  spec.panels.forEach((panel, index) => {
    const x0 = (index % columns) * each + left, x1 = (index % columns) * each + each - 14;
    const y0 = Math.floor(index / columns) * (height + head + foot) + head;
    const xs = panel.lines.flatMap((one) => one.points.map((point) => point[0]));
    const most = Math.max(...xs), least = Math.min(...xs);
    const across = (x) => x0 + (most > least ? (x - least) / (most - least) : 0.5) * (x1 - x0);
    const up = (value) => y0 + height - ((value - spec.low) / (spec.high - spec.low)) * height;
    picture.append(svg("text", { x: x0, y: y0 - 12, "font-size": 13, "font-weight": 600 }, fitted(panel.name, x1 - x0, 13)),
      svg("text", { transform: `translate(${x0 - 38} ${y0 + height / 2}) rotate(-90)`, "text-anchor": "middle",
        "font-size": 12 }, spec.axis));
    for (const tick of niceTicks(spec.low, spec.high))
      picture.append(svg("line", { x1: x0, x2: x1, y1: up(tick), y2: up(tick), stroke: "#d8dee4" }),
        svg("text", { x: x0 - 6, y: up(tick) + 4, "text-anchor": "end", "font-size": 11, class: "muted" }, String(tick)));
    const marks = most <= 1 ? [0, 0.25, 0.5, 0.75, 1] : [...new Set(xs)].sort((a, b) => a - b);
    const step = Math.ceil((marks.length * 18) / (x1 - x0));
    marks.filter((_, place) => place % step === 0).forEach((x) => picture.append(
      svg("text", { x: across(x), y: y0 + height + 16, "text-anchor": "middle", "font-size": 11, class: "muted" }, String(x))));
    picture.append(svg("text", { x: (x0 + x1) / 2, y: y0 + height + 32, "text-anchor": "middle", "font-size": 12 }, spec.x));
    if (spec.diagonal)
      picture.append(svg("line", { x1: across(least), y1: up(least), x2: across(most), y2: up(most), stroke: "#57606a",
        "stroke-dasharray": "5 5" }));
    for (const one of panel.lines.filter((each) => each.band.length)) {
      const upper = one.band.map(([x, , high]) => `${across(x)},${up(high)}`);
      const lower = one.band.map(([x, low]) => `${across(x)},${up(low)}`).reverse();
      picture.append(svg("polygon", { points: [...upper, ...lower].join(" "), fill: COLOURS[one.series % COLOURS.length],
        "fill-opacity": 0.2 }));
    }
    for (const one of panel.lines) {
      const path = one.points.map(([x, value]) => `${across(x)},${up(value)}`).join(" ");
      picture.append(svg("polyline", { points: path, fill: "none", stroke: COLOURS[one.series % COLOURS.length], "stroke-width": 2 }));
      for (const [x, value] of one.points)
        picture.append(mark(one.series, across(x), up(value),
          [["b", shown(value)], ["div", `${spec.series[one.series]}, ${spec.x} ${x}`], ["div", panel.name]]));
    }
  });
  return [legend(spec.series), picture];
}

// spec: {title, high, axis, series: [name], leaves: [{series, name, group, joins}]}; joins: where a branch meets the one before
function tree(spec, width) {
  const leaves = spec.leaves, line = 20, head = 4, foot = 40, strip = 10;
  const room = Math.min(Math.max(...leaves.map((leaf) => textWidth(leaf.name, 12))) + 10, width * 0.4);
  const height = leaves.length * line, x1 = width - room - strip - 12, x0 = 10;
  const across = (value) => x1 - (value / spec.high) * (x1 - x0), down = (place) => head + (place + 0.5) * line;
  const picture = svg("svg", { width, height: height + head + foot, viewBox: `0 0 ${width} ${height + head + foot}`,
    role: "img", "aria-label": `${spec.title}. ${spec.caption}` });
  for (const tick of niceTicks(0, spec.high))
    picture.append(
      svg("line", { x1: across(tick), x2: across(tick), y1: head, y2: head + height, stroke: "#d8dee4" }),
      svg("text", { x: across(tick), y: head + height + 16, "text-anchor": "middle", "font-size": 11, class: "muted" }, String(tick)));
  picture.append(svg("text", { x: (x0 + x1) / 2, y: head + height + 34, "text-anchor": "middle", "font-size": 12 }, spec.axis));
  const grown = (start, stop) => { // [place, height] of the stem of these leaves
    if (stop - start === 1) return [start, 0];
    let middle = start + 1;
    for (let at = middle; at < stop; at += 1) if (leaves[at].joins > leaves[middle].joins) middle = at;
    const [one, other] = [grown(start, middle), grown(middle, stop)], high = leaves[middle].joins;
    const points = [[one[1], one[0]], [high, one[0]], [high, other[0]], [other[1], other[0]]];
    const path = fill(svg("polyline", { points: points.map(([value, place]) => `${across(value)},${down(place)}`).join(" "),
      fill: "none", stroke: "#24292f", "stroke-width": 1.5, class: "branch" }), {}, []);
    path.addEventListener("pointermove", (event) => tip.show([["b", shown(high)], ["div", `${stop - start} together`]], event.clientX, event.clientY));
    path.addEventListener("pointerleave", () => tip.hide());
    picture.append(path);
    return [(one[0] + other[0]) / 2, high];
  };
  grown(0, leaves.length);
  leaves.forEach((leaf, at) => {
    const box = svg("rect", { x: x1 + 4, y: down(at) - line / 2, width: strip, height: line, fill: COLOURS[leaf.series % COLOURS.length] });
    picture.append(box, svg("text", { x: x1 + strip + 10, y: down(at) + 4, "font-size": 12 }, fitted(leaf.name, room, 12)));
    if (at && leaf.group !== leaves[at - 1].group)
      picture.append(svg("line", { x1: x0, x2: width, y1: down(at) - line / 2, y2: down(at) - line / 2, stroke: "#afb8c1", "stroke-dasharray": "4 4" }));
  });
  return [legend(spec.series), picture];
}

// spec: {title, series: [name], trails: [[{series, name, x, y}]]}; a step is as long along both axes
function map(spec, width) {
  const spots = spec.trails.flat(), edge = 16, size = Math.min(width, 720);
  const ends = (name) => [Math.min(...spots.map((spot) => spot[name])), Math.max(...spots.map((spot) => spot[name]))];
  const [[left, right], [low, high]] = [ends("x"), ends("y")];
  const names = Math.min(160, size * 0.3), unit = (size - 2 * edge - names) / Math.max(right - left, (high - low) * 0.8, 1e-9);
  const height = Math.max((high - low) * unit, 80) + 2 * edge;
  const across = (x) => edge + (x - left) * unit, up = (y) => height - edge - (y - low) * unit;
  const picture = svg("svg", { width: size, height, viewBox: `0 0 ${size} ${height}`, role: "img",
    "aria-label": `${spec.title}. ${spec.caption}` });
  const placed = [];
  for (const trail of spec.trails) {
    const colour = COLOURS[trail[0].series % COLOURS.length];
    picture.append(svg("polyline", { points: trail.map((spot) => `${across(spot.x)},${up(spot.y)}`).join(" "), fill: "none",
      stroke: colour, "stroke-width": 1.5, "stroke-opacity": 0.6 }));
    for (const spot of trail)
      picture.append(mark(spot.series, across(spot.x), up(spot.y),
        [["b", spot.name], ["div", spec.series[spot.series]], ["div", `${shown(spot.x)}, ${shown(spot.y)}`]]));
  }
  for (const spot of spec.trails.map((trail) => trail.at(-1)).sort((a, b) => a.y - b.y)) { // no name on another
    const x = across(spot.x) + 8, end = x + textWidth(spot.name, 11);
    let y = up(spot.y) - 4;
    for (const other of placed) if (x < other.end && other.x < end && y > other.y - 12) y = other.y - 12;
    placed.push({ x, end, y });
    picture.append(svg("text", { x, y, "font-size": 11, fill: COLOURS[spot.series % COLOURS.length] }, fitted(spot.name, size - x, 11)));
  }
  return [legend(spec.series), picture];
}

// spec: {title, low, high, names: [name], values: [[value or null]]}: a number a cell; below 0 in other colours
function grid(spec, width) {
  const count = spec.names.length, left = Math.min(Math.max(...spec.names.map((name) => textWidth(name, 12))) + 10, width * 0.35);
  const cell = Math.min((width - left) / count, 44), side = cell * count;
  const picture = svg("svg", { width: left + side, height: side + left, viewBox: `0 0 ${left + side} ${side + left}`,
    role: "img", "aria-label": `${spec.title}. ${spec.caption}` });
  const from0 = Math.min(Math.max(spec.low, 0), spec.high), depth = (value) => Math.max(-1, Math.min(1, value < 0 ? value / -Math.min(spec.low, -1e-9)
    : (value - from0) / Math.max(spec.high - from0, 1e-9)));
  const towards = { [-1]: [179, 88, 6], 1: [84, 39, 136] }, middle = [247, 247, 247];
  const colour = (value) => `rgb(${middle.map((from, at) => Math.round(from + Math.abs(depth(value)) * (towards[value < 0 ? -1 : 1][at] - from)))})`;
  spec.values.forEach((row, line) => row.forEach((value, column) => {
    const box = svg("rect", { x: left + column * cell, y: line * cell, width: cell - 1, height: cell - 1, class: "mark",
      fill: value === null ? "#d0d7de" : colour(value) });
    box.addEventListener("pointermove", (event) => tip.show([["b", value === null ? "no number" : shown(value)],
      ["div", `${spec.names[line]}, ${spec.names[column]}`]], event.clientX, event.clientY));
    box.addEventListener("pointerleave", () => tip.hide());
    picture.append(box);
    if (cell >= 30 && value !== null)
      picture.append(svg("text", { x: left + (column + 0.5) * cell, y: (line + 0.5) * cell + 4, "text-anchor": "middle",
        "font-size": 11, style: `fill: ${Math.abs(depth(value)) > 0.55 ? "#fff" : "#24292f"}; pointer-events: none` }, value.toFixed(2)));
  }));
  spec.names.forEach((name, at) => {
    const middleOf = (at + 0.5) * cell, size = Math.min(12, cell * 0.9);
    picture.append(
      svg("text", { x: left - 6, y: middleOf + 4, "text-anchor": "end", "font-size": size }, fitted(name, left - 8, size)),
      svg("text", { transform: `translate(${left + middleOf + 4} ${side + 6}) rotate(-90)`, "text-anchor": "end", "font-size": size },
        fitted(name, left - 8, size)));
  });
  return [picture];
}

const FORMS = { dots, lines, tree, map, grid };

function chart(spec, width) {
  const drawn = FORMS[spec.form](spec, width);
  const numbers = html("div", { class: "scroll", tabindex: 0 });
  const details = html("details", {}, [html("summary", {}, "The numbers"), numbers]);
  details.addEventListener("toggle", () => numbers.replaceChildren(table(spec.columns, spec.rows)), { once: true });
  return html("figure", { class: `chart ${spec.form}`, "data-figure": spec.id }, [
    html("h3", {}, spec.title), html("p", { class: "note" }, spec.note), ...drawn, html("figcaption", {}, spec.caption), details,
  ]);
}

function table(columns, rows) {
  const numeric = columns.map((_, at) => rows.some((row) => typeof row[at] === "number"));
  const cell = (value) => (value === null ? "" : typeof value === "number" && !Number.isInteger(value) ? value.toFixed(4) : String(value));
  return html("table", {}, [
    html("thead", {}, html("tr", {}, columns.map((name, at) => html("th", numeric[at] ? { class: "number" } : {}, name.replaceAll("_", " "))))),
    html("tbody", {}, rows.map((row) => html("tr", {}, row.map((value, at) => html("td", numeric[at] ? { class: "number" } : {}, cell(value)))))),
  ]);
}
