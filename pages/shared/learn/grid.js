// Shows a convolution on grids and walks over its outputs. Values, windows and products come with
// the data; nothing is computed here but places on the screen.
const NS = "http://www.w3.org/2000/svg";
const GAP = 1.6; // between two grids, in cells
const TEMPO = 750; // milliseconds for one output
const states = new WeakMap();

function make(tag, attributes, parent, text) {
  const element = document.createElementNS(NS, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function signed(value) {
  return value < 0 ? `\u2212${-value}` : String(value);
}

function bracketed(value) {
  return value < 0 ? `(${signed(value)})` : String(value);
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const frame = parentElement.querySelector(".frame");
  let state = states.get(frame);
  const isNew = !state;
  if (isNew) {
    state = { frame, svg: frame.querySelector("svg.grid"), at: 0, filter: 0, pick: null, timer: 0,
      signature: null, known: null, grown: false, width: 0 };
    states.set(frame, state);
    listen(state);
  }
  state.data = data;
  state.send = (place) => setTriggerValue("at", place);
  if (state.signature !== data.signature) {
    stop(state);
    state.signature = data.signature;
    state.known = null;
    state.pick = null;
    state.grown = false;
    words(state);
  }
  if (state.known !== data.at) {
    state.known = data.at;
    const [filter, at] = data.at.split(".").map(Number);
    state.filter = Math.min(filter || 0, data.filters.length - 1);
    state.at = Math.min(at || 0, count(state) - 1);
  }
  build(state);
  if (!isNew) return undefined;
  return () => {
    stop(state);
    clearTimeout(state.waiting);
    state.observer.disconnect();
    states.delete(frame);
  };
}

function count({ data }) {
  return data.scatter ? data.planes[0].rows.length * data.planes[0].rows[0].length
    : data.rows.length * data.columns.length;
}

function across({ data }) {
  return data.scatter ? data.planes[0].rows[0].length : data.columns.length;
}

function words({ frame, svg, data }) {
  const { words: said } = data;
  for (const name of ["back", "play", "on"]) {
    const button = frame.querySelector(`.${name}`);
    button.title = said[name];
    button.setAttribute("aria-label", said[name]);
  }
  frame.querySelector("input").setAttribute("aria-label", said.slider);
  svg.setAttribute("aria-label", said.grid);
  svg.querySelector("title").textContent = said.grid;
}

// ------------------------------------------------------------------ listening

function listen(state) {
  const { frame, svg } = state;
  const slider = frame.querySelector("input");
  frame.querySelector(".back").onclick = () => move(state, state.at - 1);
  frame.querySelector(".on").onclick = () => move(state, state.at + 1);
  frame.querySelector(".play").onclick = () => (state.timer ? stop(state, true) : play(state));
  slider.oninput = () => move(state, Number(slider.value));
  svg.addEventListener("keydown", (event) => {
    const wide = across(state);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide };
    if (event.key in steps) move(state, state.at + steps[event.key]);
    else if (event.key === "Home") move(state, 0);
    else if (event.key === "End") move(state, count(state) - 1);
    else if (event.key === " " || event.key === "Enter") state.timer ? stop(state, true) : play(state);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  svg.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-at]");
    if (!cell) return;
    svg.focus({ preventScroll: true });
    if (cell.dataset.pick) {
      stop(state);
      state.pick = cell.dataset.pick.split(",").map(Number);
      paint(state);
      return;
    }
    state.filter = Number(cell.dataset.filter);
    move(state, Number(cell.dataset.at));
  });
  state.observer = new ResizeObserver(() => {
    if (state.data && Math.abs(svg.clientWidth - state.width) > 2) build(state);
  });
  state.observer.observe(svg);
}

function move(state, at) {
  if (at < 0 || at >= count(state)) return;
  stop(state);
  state.at = at;
  state.pick = null;
  state.grown = false;
  paint(state);
  report(state);
}

function report(state) {
  clearTimeout(state.waiting);
  state.waiting = setTimeout(() => {
    const place = `${state.filter}.${state.at}`;
    if (place !== state.known) {
      state.known = place;
      state.send(place);
    }
  }, 500);
}

function play(state) {
  state.pick = null;
  state.grown = true;
  if (state.at >= count(state) - 1) state.at = 0;
  state.frame.classList.add("playing");
  state.timer = setInterval(() => {
    if (!state.frame.isConnected) return stop(state);
    if (state.at >= count(state) - 1) {
      state.grown = false;
      stop(state, true);
      return paint(state);
    }
    state.at += 1;
    paint(state);
  }, TEMPO);
  paint(state);
}

function stop(state, tell = false) {
  clearInterval(state.timer);
  state.timer = 0;
  state.frame.classList.remove("playing");
  if (tell) report(state);
}

// ------------------------------------------------------------------- building

function build(state) {
  const { svg, data } = state;
  state.width = svg.clientWidth;
  if (!state.width) return;
  const plan = data.filters.length > 1 || data.planes.length > 1 ? planMany(state) : planOne(state);
  const scene = svg.querySelector(".scene");
  scene.replaceChildren();
  svg.querySelector("defs")?.remove();
  const pattern = make("pattern", { id: "unread", width: 6, height: 6, patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)" }, make("defs", {}, svg));
  make("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 6 }, pattern);
  svg.setAttribute("height", plan.height);
  svg.setAttribute("viewBox", `0 0 ${state.width} ${plan.height}`);
  svg.classList.toggle("moves", !data.still);
  state.plan = plan;
  state.inputs = data.planes.map((plane, c) => grid(state, plan.inputs[c], plane, plan.cell, c));
  state.outputs = data.filters.map((filter, f) => outputGrid(state, plan.outputs[f], filter, f));
  state.middle = make("g", {}, scene);
  state.frames = state.inputs.map(() => make("rect", { class: "window", x: 0, y: 0, width: 0, height: 0 }, scene));
  state.here = make("rect", { class: "window here", width: plan.cell, height: plan.cell }, scene);
  const slider = state.frame.querySelector("input");
  slider.max = count(state) - 1;
  legend(state);
  paint(state);
}

function planOne(state) {
  const { data, width } = state;
  const [rows, columns] = [data.planes[0].rows.length, data.planes[0].rows[0].length];
  const kernel = data.filters[0].kernel[0];
  const out = data.filters[0].out;
  const [kh, kw] = [kernel.length, kernel[0].length];
  const middle = data.scatter ? kh : 2 * kh + GAP;
  const wide = columns + kw + out[0].length + 2 * GAP;
  const narrow = width < 520;
  let cell = narrow ? Math.min(width / Math.max(columns, kw + GAP + out[0].length), 34)
    : Math.min(width / wide, data.tall / Math.max(rows, out.length, middle + 0.4), 46);
  cell = Math.floor(Math.max(cell, 9));
  const title = 24;
  const gap = narrow ? GAP * cell : Math.min(Math.max((width - (columns + kw + out[0].length) * cell) / 2, GAP * cell), 90);
  if (narrow) {
    const below = title + rows * cell + 30;
    return { cell, inputs: [[0, title]], middle: [[0, below]], stacked: true,
      outputs: [[(kw + GAP) * cell, below]],
      height: below + Math.max(data.scatter ? kh * cell : (2 * kh + 0.35) * cell + 22, out.length * cell) + 10 };
  }
  const first = (columns * cell) + gap;
  return { cell, inputs: [[1, title]], middle: [[first, title]],
    outputs: [[first + kw * cell + gap, title]], stacked: true,
    height: title + Math.max(rows * cell, out.length * cell, data.scatter ? 0 : (2 * kh + 0.35) * cell + 22) + 8 };
}

function planMany(state) {
  // Input channels in a row with the filter's part under each; the outputs to the right, or below.
  const { data, width } = state;
  const planes = data.planes.length, filters = data.filters.length;
  const [rows, columns] = [data.planes[0].rows.length, data.planes[0].rows[0].length];
  const [kh, kw] = [data.filters[0].kernel[0].length, data.filters[0].kernel[0][0].length];
  const [outHigh, outWide] = [data.filters[0].out.length, data.filters[0].out[0].length];
  const narrow = width < 560;
  const perLine = narrow ? Math.min(planes, 3) : planes;
  const perRow = narrow ? Math.min(filters, 3) : filters > 3 ? 2 : 1;
  const outs = perRow * (outWide + 0.8);
  const wide = narrow ? Math.max(perLine * (columns + 0.8), outs) : perLine * (columns + 0.8) + outs + 2;
  const high = Math.max(rows + 2 * kh + 2.2, Math.ceil(filters / perRow) * (outHigh + 1.2));
  const cell = Math.floor(Math.max(Math.min(width / wide, narrow ? 40 : (data.tall - 60) / high, 40), 8));
  const title = 24;
  const block = title + (rows + 2 * kh + 1.1) * cell + 44;
  const inputs = [], middle = [], outputs = [];
  for (let c = 0; c < planes; c += 1) {
    const x = 1 + (c % perLine) * (columns + 0.8) * cell, y = title + Math.floor(c / perLine) * block;
    inputs.push([x, y]);
    middle.push([x + (columns - kw) * cell / 2, y + (rows + 0.5) * cell + 18]);
  }
  const below = Math.ceil(planes / perLine) * block;
  const [left, top] = narrow ? [1, title + below + 4] : [perLine * (columns + 0.8) * cell + 2 * cell, title];
  for (let f = 0; f < filters; f += 1) {
    outputs.push([left + (f % perRow) * (outWide + 0.8) * cell,
      top + Math.floor(f / perRow) * (outHigh * cell + 30)]);
  }
  return { cell, inputs, middle, outputs, height: Math.max(below, outputs[filters - 1][1] + outHigh * cell + 10) };
}

function heading(state, [x, y], text, quiet) {
  const size = Math.min(15, Math.max(11, state.plan.cell * 0.5));
  make("text", { class: `title${quiet ? " dim" : ""}`, x, y: y - 8, "font-size": size }, state.svg.querySelector(".scene"), text);
}

function square(parent, x, y, cell, text, name, extra = {}) {
  const rect = make("rect", { class: `cell ${name}`, x, y, width: cell, height: cell, ...extra }, parent);
  const letters = String(text).length;
  const size = Math.min(cell * (letters > 3 ? 0.34 : letters > 2 ? 0.44 : 0.52), 20);
  const label = make("text", { x: x + cell / 2, y: y + cell / 2 + size * 0.36, "font-size": size }, parent, text);
  return [rect, label];
}

function shade(state, rect, label, value) {
  if (!state.data.shaded) return;
  const level = Math.max(0, Math.min(255, value));
  rect.style.fill = `rgb(${level} ${level} ${level})`;
  label.style.fill = level > 120 ? "#000" : "#fff";
}

function grid(state, [x, y], plane, cell, c) {
  const { data, svg } = state;
  heading(state, [x, y], plane.title);
  const group = make("g", {}, svg.querySelector(".scene"));
  const cells = plane.rows.map((row, r) => row.map((value, k) => {
    const quiet = plane.pad[r][k];
    const open = data.scatter ? { "data-at": r * row.length + k, "data-filter": 0 } : {};
    const made = square(group, x + k * cell, y + r * cell, cell, signed(value), `${quiet ? "pad" : ""}${data.scatter ? " open" : ""}`, open);
    if (quiet) made[1].classList.add("dim");
    else shade(state, ...made, value);
    if (data.unread && data.unread[r][k] && !quiet)
      make("rect", { class: "hatch", x: x + k * cell + 1, y: y + r * cell + 1, width: cell - 2, height: cell - 2, opacity: 0.55 }, group);
    return made;
  }));
  const [top, left, rows, columns] = plane.inside;
  make("rect", { class: "plane", x: x + left * cell, y: y + top * cell, width: columns * cell, height: rows * cell }, group);
  return { cells, group, x, y, c };
}

function outputGrid(state, [x, y], filter, f) {
  const { data, plan, svg } = state;
  heading(state, [x, y], filter.title);
  const group = make("g", {}, svg.querySelector(".scene"));
  const cells = filter.out.map((row, r) => row.map((value, k) => {
    const place = data.scatter ? { "data-at": 0, "data-filter": 0, "data-pick": `${r},${k}` }
      : { "data-at": r * row.length + k, "data-filter": f };
    return square(group, x + k * plan.cell, y + r * plan.cell, plan.cell, "", `open ${filter.cut && filter.cut[r][k] ? "cut" : ""}`, place);
  }));
  if (filter.inside) {
    const [top, left, rows, columns] = filter.inside;
    make("rect", { class: "plane", x: x + left * plan.cell, y: y + top * plan.cell, width: columns * plan.cell, height: rows * plan.cell }, group);
  }
  return { cells, group, x, y };
}

// ------------------------------------------------------------------- painting

function paint(state) {
  const { data, frame } = state;
  if (!state.plan) return;
  const filter = data.filters[state.filter];
  frame.style.setProperty("--strong", filter.strong);
  frame.style.setProperty("--tint", filter.tint);
  const slider = frame.querySelector("input");
  slider.value = state.at;
  const wide = across(state);
  const [i, j] = [Math.floor(state.at / wide), state.at % wide];
  slider.setAttribute("aria-valuetext", `${i}, ${j}`);
  frame.querySelector(".where").textContent = data.words.where.replace("{row}", i).replace("{column}", j);
  frame.dataset.at = `${state.filter}.${state.at}`;
  if (data.scatter) paintScatter(state, filter, i, j);
  else paintGather(state, filter, i, j);
}

function paintGather(state, filter, i, j) {
  const { data } = state;
  const cell = state.plan.cell;
  const [rows, columns] = [data.rows[i], data.columns[j]];
  state.inputs.forEach((input, c) => {
    const seen = filter.sees.includes(c);
    input.group.classList.toggle("quiet", !seen);
    input.cells.forEach((line, r) => line.forEach(([rect], k) =>
      rect.classList.toggle("tap", seen && rows.includes(r) && columns.includes(k))));
    const window = state.frames[c];
    window.style.display = seen ? "" : "none";
    const set = { x: input.x + columns[0] * cell, y: input.y + rows[0] * cell,
      width: (columns.at(-1) - columns[0] + 1) * cell, height: (rows.at(-1) - rows[0] + 1) * cell };
    for (const name in set) window.setAttribute(name, set[name]);
    // Chromium animates the properties, not the attributes.
    window.style.x = `${set.x}px`;
    window.style.y = `${set.y}px`;
  });
  state.outputs.forEach((output, f) => {
    output.group.classList.toggle("quiet", f !== state.filter);
    output.cells.forEach((line, r) => line.forEach(([rect, label], k) => {
      const at = r * line.length + k;
      const value = data.filters[f].out[r][k];
      const blank = state.grown && f === state.filter && at > state.at;
      rect.classList.toggle("now", f === state.filter && at === state.at);
      label.textContent = blank ? "" : data.hide ? "?" : signed(value);
      rect.style.fill = label.style.fill = "";
      if (!blank && !data.hide) shade(state, rect, label, value);
    }));
  });
  const products = filter.products[i][j];
  kernels(state, filter, data.hide ? null : products);
  mark(state, state.outputs[state.filter], i, j);
  sumOf(state, filter, i, j, rows, columns, products);
}

function mark(state, grid, i, j) {
  // Above the grid: the neighbours' lines would hide half of a cell's own.
  const { cell } = state.plan;
  const set = { x: grid.x + j * cell, y: grid.y + i * cell };
  for (const name in set) {
    state.here.setAttribute(name, set[name]);
    state.here.style[name] = `${set[name]}px`;
  }
  state.svg.querySelector(".scene").append(...state.frames, state.here);
}

function kernels(state, filter, products) {
  const { data, plan } = state;
  const cell = plan.cell;
  state.middle.replaceChildren();
  const scene = state.svg.querySelector(".scene");
  scene.appendChild(state.middle);
  const size = Math.min(15, Math.max(11, cell * 0.5));
  filter.sees.forEach((c, s) => {
    const [x, y] = plan.middle[plan.stacked ? 0 : c];
    const weights = filter.kernel[s];
    const [kh, kw] = [weights.length, weights[0].length];
    const title = (text, top) => make("text", { class: "title", x, y: top - 8, "font-size": size }, state.middle, text);
    if (plan.stacked || s === 0 || plan.middle[c][0] < plan.cell * 2.5) title(data.words.kernel, y);
    weights.forEach((line, a) => line.forEach((value, b) =>
      square(state.middle, x + b * cell, y + a * cell, cell, signed(value), "weight")));
    if (data.scatter) return;
    const below = y + (kh + 0.35) * cell + 22;
    if (plan.stacked || s === 0 || plan.middle[c][0] < plan.cell * 2.5) title(data.words.products, below);
    weights.forEach((line, a) => line.forEach((_, b) =>
      square(state.middle, x + b * cell, below + a * cell, cell,
        products ? signed(products[(s * kh + a) * kw + b]) : "?", "")));
  });
}

function sumOf(state, filter, i, j, rows, columns, products) {
  const { data } = state;
  const lines = [];
  const kernelSize = rows.length * columns.length;
  if (products.length <= 27) {
    const terms = [];
    filter.sees.forEach((c, s) => rows.forEach((r, a) => columns.forEach((k, b) =>
      terms.push(`${bracketed(data.planes[c].rows[r][k])}·${bracketed(filter.kernel[s][a][b])}`))));
    lines.push(terms.join(" + "));
  } else if (filter.sees.length > 1) {
    lines.push(filter.partial[i][j].map(bracketed).join(" + "));
  } else {
    lines.push(products.map(bracketed).join(" + "));
  }
  if (filter.bias) lines[0] += ` + ${bracketed(filter.bias)}`;
  if (data.after) lines[0] = `(${lines[0]}) ${data.after}`;
  say(state, lines[0], filter.out[i][j], kernelSize * filter.sees.length);
}

function say(state, text, value) {
  const { data, frame } = state;
  const sum = frame.querySelector(".sum");
  sum.replaceChildren();
  if (data.hide) {
    sum.append(`${text} = ?`);
    return;
  }
  const strong = document.createElement("b");
  strong.textContent = `= ${signed(value)}`;
  sum.append(`${text} `, strong);
  if (!state.timer) frame.querySelector(".said").textContent = `${frame.querySelector(".where").textContent}: ${signed(value)}`;
}

function paintScatter(state, filter, i, j) {
  const { data } = state;
  const { cell } = state.plan;
  const input = state.inputs[0], output = state.outputs[0];
  const [rows, columns] = [data.rows[i], data.columns[j]];
  const pick = state.pick;
  const givers = pick ? data.givers[pick[0]][pick[1]] : [];
  const wide = across(state);
  input.cells.forEach((line, r) => line.forEach(([rect], k) =>
    rect.classList.toggle("now", pick ? givers.some(([at]) => at === r * wide + k) : r === i && k === j)));
  const shown = pick || !state.grown ? filter.out : data.steps[state.at];
  output.cells.forEach((line, r) => line.forEach(([rect, label], k) => {
    rect.classList.toggle("tap", !pick && rows.includes(r) && columns.includes(k));
    rect.classList.toggle("now", !!pick && pick[0] === r && pick[1] === k);
    label.textContent = data.hide ? "?" : signed(shown[r][k]);
    label.classList.toggle("dim", !!filter.cut[r][k]);
  }));
  const window = state.frames[0];
  window.style.display = pick ? "none" : "";
  const set = { x: output.x + columns[0] * cell, y: output.y + rows[0] * cell,
    width: (columns.at(-1) - columns[0] + 1) * cell, height: (rows.at(-1) - rows[0] + 1) * cell };
  for (const name in set) window.setAttribute(name, set[name]);
  window.style.x = `${set.x}px`;
  window.style.y = `${set.y}px`;
  kernels(state, filter, null);
  if (pick) mark(state, output, pick[0], pick[1]);
  else mark(state, input, i, j);
  if (pick) {
    const text = givers.map(([, value, weight]) => `${bracketed(value)}·${bracketed(weight)}`).join(" + ") || "0";
    say(state, text, filter.out[pick[0]][pick[1]]);
    return;
  }
  state.frame.querySelector(".sum").textContent = data.words.stamp
    .replace("{value}", bracketed(data.planes[0].rows[i][j]));
}

// --------------------------------------------------------------------- legend

function legend(state) {
  const { data, frame } = state;
  const box = frame.querySelector(".legend");
  box.replaceChildren();
  for (const [name, text] of data.legend) {
    const item = document.createElement("span");
    box.append(item);
    if (!name) {
      item.append(text);
      continue;
    }
    const icon = make("svg", { viewBox: "0 0 16 16" }, item);
    if (name === "unread") {
      const pattern = make("pattern", { id: "unread-key", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, make("defs", {}, icon));
      make("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 6 }, pattern);
      make("rect", { class: "cell", x: 1, y: 1, width: 14, height: 14 }, icon);
      make("rect", { x: 1, y: 1, width: 14, height: 14, fill: "url(#unread-key)" }, icon);
    } else make("rect", { class: `cell ${name}`, x: 1.5, y: 1.5, width: 13, height: 13 }, icon);
    item.append(text);
  }
}
