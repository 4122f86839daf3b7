// Draws a scene that the server has laid out, and reports what is clicked. It computes no layout.
const NS = "http://www.w3.org/2000/svg";
const ARROW = 7;
const FAR = 0.42; // below this scale text is not readable, and not drawn
const states = new WeakMap();

function make(tag, attributes, parent, text) {
  const element = document.createElementNS(NS, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function curve(points, sideways) {
  let path = `M${points[0][0]} ${points[0][1]}`;
  for (let i = 1; i < points.length; i++) {
    const [x0, y0] = points[i - 1], [x1, y1] = points[i];
    if (Math.abs(sideways ? y0 - y1 : x0 - x1) < 0.5) path += `L${x1} ${y1}`;
    else if (sideways) path += `C${(x0 + x1) / 2} ${y0} ${(x0 + x1) / 2} ${y1} ${x1} ${y1}`;
    else path += `C${x0} ${(y0 + y1) / 2} ${x1} ${(y0 + y1) / 2} ${x1} ${y1}`;
  }
  return path;
}

export default function (component) {
  const { parentElement: root, data, setTriggerValue } = component;
  const frame = root.querySelector(".frame");
  const svg = frame.querySelector("svg");
  let state = states.get(frame);
  if (!state) {
    state = { k: 1, x: 0, y: 0, signature: null, items: [], nodes: new Map(), at: null };
    states.set(frame, state);
    listen(frame, svg, state);
  }
  state.data = data;
  state.report = (what, key) => setTriggerValue("act", { what, key });
  frame.style.height = `${data.height}px`;
  for (const name of ["ink", "muted", "paper"]) frame.style.setProperty(`--${name}`, data.theme[name]);
  if (state.signature !== data.signature) {
    const first = state.signature === null || state.subject !== data.subject;
    const before = performance.now();
    build(svg, state);
    frame.dataset.drawMs = (performance.now() - before).toFixed(1);
    state.signature = data.signature;
    state.subject = data.subject;
    if (first) fit(svg, state);
    else keepAnchor(state);
  }
  paint(state);
  mark(svg, state);
  draw(svg, state);
  frame.dataset.signature = data.signature;
}

// ------------------------------------------------------------------ drawing

function build(svg, state) {
  const { scene, theme } = state.data;
  svg.querySelector("title").textContent = scene.title;
  svg.querySelector("desc").textContent = scene.caption;
  const [groups, edges, nodes] = ["groups", "edges", "nodes"].map((c) => svg.querySelector(`.${c}`));
  for (const layer of [groups, edges, nodes]) layer.replaceChildren();
  state.items = [];
  state.nodes = new Map();
  state.frames = new Map();
  state.lines = [];
  state.byKey = new Map(scene.nodes.map((node) => [node.key, node]));
  state.groups = new Map(scene.groups.map((group) => [group.key, group]));
  // Whoever opened a module by the keyboard goes on at its first box, from where C closes it.
  if (state.groups.has(state.at)) state.at = (scene.nodes.find((node) => inside(state.groups.get(state.at), node)) || {}).key;
  for (const group of scene.groups) {
    const g = make("g", { class: "group" }, groups);
    state.frames.set(group.key, g);
    make("rect", { class: "border", x: group.x, y: group.y, width: group.w, height: group.h, rx: 8 }, g);
    state.items.push([group.x, group.y, group.x + group.w, group.y + group.h, g, true]);
    // Titles stand above the lines, with paper behind them.
    const t = make("g", { class: "group" }, nodes);
    const title = make("g", { class: "title", "data-close": group.key }, t);
    make("rect", { class: "behind", x: group.x + 6, y: group.y + 5, width: group.tw + 20, height: 17, rx: 3 }, title);
    make("path", { d: `M${group.x + 10} ${group.y + 13.5}h8`, stroke: theme.muted, "stroke-width": 1.6 }, title);
    make("text", { x: group.x + 23, y: group.y + 18 }, title, group.title);
    state.items.push([group.x, group.y, group.x + group.tw + 30, group.y + 24, t, true]);
  }
  const sideways = scene.horizontal;
  for (const edge of scene.edges) {
    const color = edge.role === "skip" ? theme.colors.add : edge.role === "bus" ? theme.colors.concat : theme.ink;
    const points = edge.points.map((point) => [...point]);
    const tip = points[points.length - 1], head = [...tip];
    tip[sideways ? 0 : 1] -= ARROW;
    const g = make("g", {}, edges);
    make("path", { class: `edge ${edge.role}`, d: curve(points, sideways), stroke: color }, g);
    const [x, y] = tip, a = 0.55 * ARROW;
    const d = sideways ? `M${head[0]} ${head[1]}L${x} ${y - a}V${y + a}Z` : `M${head[0]} ${head[1]}L${x - a} ${y}H${x + a}Z`;
    make("path", { d, fill: color }, g);
    if (edge.text) make("title", {}, g, edge.text);
    const xs = edge.points.map((p) => p[0]), ys = edge.points.map((p) => p[1]);
    state.items.push([Math.min(...xs) - 4, Math.min(...ys) - 4, Math.max(...xs) + 4, Math.max(...ys) + 4, g, true]);
    state.lines.push([edge, g.firstChild]);
  }
  for (const node of scene.nodes) {
    const g = make("g", { class: "node", "data-node": node.key }, nodes);
    const middle = [node.x + node.w / 2, node.y + node.h / 2];
    const box = { x: node.x, y: node.y, width: node.w, height: node.h };
    if (node.shape === "round") {
      make("circle", { class: "box", cx: middle[0], cy: middle[1], r: node.w / 2 - 1 }, g);
      const b = node.title === "+" ? 5.5 : 3.9, [x, y] = middle;
      const d = node.title === "+" ? `M${x - b} ${y}H${x + b}M${x} ${y - b}V${y + b}` : `M${x - b} ${y - b}L${x + b} ${y + b}M${x - b} ${y + b}L${x + b} ${y - b}`;
      make("path", { d, stroke: theme.colors[node.kind], "stroke-width": 2, "stroke-linecap": "round" }, g);
    } else {
      if (node.opens) make("rect", { ...box, x: node.x + 4, y: node.y + 4, rx: 6, class: "behind" }, g);
      make("rect", { ...box, rx: node.shape === "pill" ? node.h / 2 : 6, class: "box" }, g);
      const x = middle[0] - (node.opens ? 8 : 0);
      if (node.detail) {
        make("text", { class: "t", x, y: middle[1] - 4 }, g, node.title);
        make("text", { class: "d", x, y: middle[1] + 13 }, g, node.detail);
      } else make("text", { class: "t", x, y: middle[1] + 4.5 }, g, node.title);
      if (node.opens) {
        const o = make("g", { class: "open", "data-open": node.key }, g);
        const [cx, cy] = [node.x + node.w - 13, middle[1]];
        make("rect", { x: node.x + node.w - 25, y: node.y, width: 25, height: node.h, rx: 6 }, o);
        make("path", { d: `M${cx - 4.5} ${cy}h9M${cx} ${cy - 4.5}v9` }, o);
        make("title", {}, o, "Open this module");
      }
    }
    state.nodes.set(node.key, g);
    state.items.push([node.x - 6, node.y - 6, node.x + node.w + 6, node.y + node.h + 6, g, true]);
  }
}

// Colours of the boxes: by kind, or by a quantity.
function paint(state) {
  const { theme, heat } = state.data;
  for (const node of state.data.scene.nodes) {
    const g = state.nodes.get(node.key), box = g.querySelector(".box"), back = g.querySelector(".behind");
    const color = theme.colors[node.kind];
    box.setAttribute("stroke", heat ? theme.muted : color);
    const fill = heat ? heat[node.key] || theme.paper : node.shape === "round" ? theme.paper : node.strong ? theme.fills[node.kind] : theme.faint[node.kind];
    box.setAttribute("fill", fill);
    if (back) { back.setAttribute("stroke", heat ? theme.muted : color); back.setAttribute("fill", fill); }
  }
}

function mark(svg, state) {
  const { selected } = state.data;
  for (const [key, g] of state.nodes) {
    g.classList.toggle("selected", key === selected);
    g.classList.toggle("at", key === state.at);
  }
  for (const [key, g] of state.frames) g.classList.toggle("selected", key === selected);
  for (const [edge, path] of state.lines) path.classList.toggle("near", !!selected && (edge.source === selected || edge.target === selected));
  if (selected !== state.selected) {
    state.selected = selected;
    if (selected && state.clicked !== selected) centre(svg, state, selected);
    state.clicked = null;
  }
}

// Only what is in view is in the picture, so that thousands of boxes pan smoothly.
function draw(svg, state) {
  const view = svg.querySelector(".view");
  view.setAttribute("transform", `translate(${state.x.toFixed(2)} ${state.y.toFixed(2)}) scale(${state.k.toFixed(4)})`);
  const width = svg.clientWidth || 800, height = svg.clientHeight || 600;
  const left = -state.x / state.k, top = -state.y / state.k;
  const right = left + width / state.k, bottom = top + height / state.k;
  for (const item of state.items) {
    const seen = item[0] < right && item[2] > left && item[1] < bottom && item[3] > top;
    if (seen !== item[5]) { item[5] = seen; item[4].style.display = seen ? "" : "none"; }
  }
  view.classList.toggle("far", state.k < FAR);
}

function later(svg, state) {
  if (state.frame) return;
  state.frame = requestAnimationFrame(() => { state.frame = 0; draw(svg, state); });
}

// --------------------------------------------------------------- the window

function fit(svg, state) {
  const { scene } = state.data;
  const width = svg.clientWidth || 800, height = svg.clientHeight || 600, top = 48;
  const whole = Math.min((width - 32) / scene.w, (height - top - 16) / scene.h);
  // A long network starts at its top, as large as it can be read.
  const across = scene.horizontal ? (height - top - 16) / scene.h : (width - 32) / scene.w;
  state.k = Math.min(1.15, whole > 0.6 ? whole : Math.max(whole, Math.min(0.85, across)));
  const free = [width - scene.w * state.k, height - scene.h * state.k];
  state.x = free[0] > 32 ? free[0] / 2 : 16;
  state.y = free[1] > top ? Math.max(top, free[1] / 2) : top;
}

function clamp(svg, state) {
  const { scene } = state.data, width = svg.clientWidth, height = svg.clientHeight, keep = 80;
  state.x = Math.min(width - keep, Math.max(keep - scene.w * state.k, state.x));
  state.y = Math.min(height - keep, Math.max(keep - scene.h * state.k, state.y));
}

function zoom(svg, state, factor, x, y) {
  const k = Math.min(4, Math.max(0.03, state.k * factor));
  state.x = x - ((x - state.x) * k) / state.k;
  state.y = y - ((y - state.y) * k) / state.k;
  state.k = k;
  clamp(svg, state);
  later(svg, state);
}

function centre(svg, state, key) {
  const target = state.byKey.get(key) || state.groups.get(key);
  if (!target) return false;
  state.k = Math.max(state.k, 0.8);
  state.x = svg.clientWidth / 2 - (target.x + target.w / 2) * state.k;
  state.y = svg.clientHeight / 2 - (target.y + Math.min(target.h, 80) / 2) * state.k;
  later(svg, state);
  return true;
}

// What is opened or closed stays where it was on the screen.
function anchor(state, key) {
  const target = state.byKey.get(key) || state.groups.get(key);
  if (target) state.anchor = { key, x: state.x + (target.x + target.w / 2) * state.k, y: state.y + target.y * state.k };
}

function keepAnchor(state) {
  const { anchor: held } = state;
  state.anchor = null;
  const target = held && (state.groups.get(held.key) || state.byKey.get(held.key));
  if (!target) return;
  state.x = held.x - (target.x + target.w / 2) * state.k;
  state.y = held.y - target.y * state.k;
}

// ------------------------------------------------------------------- events

function listen(frame, svg, state) {
  const pointers = new Map();
  let drag = null, pinch = 0;
  const place = (event) => { const box = svg.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  svg.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(svg, state, Math.exp(-event.deltaY * 0.0022), ...place(event));
      return;
    }
    // The page scrolls on once the diagram has reached its end.
    const before = [state.x, state.y];
    state.x -= event.shiftKey ? event.deltaY : event.deltaX;
    state.y -= event.shiftKey ? 0 : event.deltaY;
    const { scene } = state.data, low = [svg.clientWidth - 40 - scene.w * state.k, svg.clientHeight - 40 - scene.h * state.k];
    state.x = Math.min(Math.max(40, before[0]), Math.max(Math.min(low[0], before[0]), state.x));
    state.y = Math.min(Math.max(60, before[1]), Math.max(Math.min(low[1], before[1]), state.y));
    if (state.x !== before[0] || state.y !== before[1]) { event.preventDefault(); hide(frame); later(svg, state); }
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, place(event));
    const [x, y] = place(event);
    drag = { x, y, left: state.x, top: state.y, moved: false };
    if (pointers.size === 2) pinch = distance(pointers);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) { hover(frame, svg, state, event); return; }
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], wide = distance(pointers);
      zoom(svg, state, wide / pinch, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      pinch = wide;
      if (drag) drag.moved = true;
      return;
    }
    const [x, y] = place(event);
    if (!drag || (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4)) return;
    if (!drag.moved) { svg.setPointerCapture(event.pointerId); svg.classList.add("drag"); hide(frame); }
    drag.moved = true;
    state.x = drag.left + x - drag.x;
    state.y = drag.top + y - drag.y;
    clamp(svg, state);
    later(svg, state);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    const held = drag;
    if (!pointers.size) drag = null;
    svg.classList.remove("drag");
    if (event.type === "pointerup" && held && !held.moved) click(event.target, state);
  };
  svg.addEventListener("pointerup", release);
  svg.addEventListener("pointercancel", release);
  svg.addEventListener("pointerleave", () => hide(frame));
  frame.querySelector(".tools").addEventListener("click", (event) => {
    const what = event.target.dataset.do;
    if (what === "fit") { fit(svg, state); later(svg, state); }
    else if (what) zoom(svg, state, what === "in" ? 1.25 : 0.8, svg.clientWidth / 2, svg.clientHeight / 2);
  });
  frame.addEventListener("keydown", (event) => key(event, frame, svg, state));
  search(frame, svg, state);
  new ResizeObserver(() => later(svg, state)).observe(svg);
}

function distance(pointers) {
  const [a, b] = [...pointers.values()];
  return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
}

function click(target, state) {
  const open = target.closest("[data-open]"), close = target.closest("[data-close]"), node = target.closest("[data-node]");
  if (open) toggle(state, open.dataset.open);
  else if (close) toggle(state, close.dataset.close);
  else if (node) pick(state, node.dataset.node);
}

function toggle(state, name) {
  anchor(state, name);
  state.report("toggle", name);
}

function pick(state, name) {
  state.clicked = name;
  state.at = name;
  for (const [each, g] of state.nodes) g.classList.toggle("selected", each === name);
  state.report("select", name);
}

// Arrows go along the lines; without a box in focus the first arrow takes the first box.
function key(event, frame, svg, state) {
  if (event.target.tagName === "INPUT") return;
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const { scene } = state.data;
  if (step) {
    let next = state.at && state.byKey.has(state.at) ? null : scene.nodes[0].key;
    if (!next) {
      const side = event.key === "ArrowLeft" || event.key === "ArrowRight";
      const along = scene.horizontal ? side : !side;
      const lines = scene.edges.filter((edge) => (step > 0 ? edge.source : edge.target) === state.at);
      if (along) next = lines.length ? (step > 0 ? lines[0].target : lines[0].source) : null;
      else next = beside(scene, state.byKey.get(state.at), step);
    }
    if (next) { state.at = next; mark(svg, state); show(svg, state, next); say(frame, state, next); }
  } else if (event.key === "Enter" || event.key === " ") { if (state.at) pick(state, state.at); }
  else if (event.key === "e" || event.key === "o") { if (state.at && state.byKey.get(state.at)?.opens) toggle(state, state.at); }
  else if (event.key === "c") {
    const around = state.at && scene.groups.filter((g) => inside(g, state.byKey.get(state.at))).pop();
    if (around) { state.at = around.key; toggle(state, around.key); }
  } else if (event.key === "+" || event.key === "=") zoom(svg, state, 1.25, svg.clientWidth / 2, svg.clientHeight / 2);
  else if (event.key === "-") zoom(svg, state, 0.8, svg.clientWidth / 2, svg.clientHeight / 2);
  else if (event.key === "0") { fit(svg, state); later(svg, state); }
  else if (event.key === "Escape") { hide(frame); return; }
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function inside(group, node) {
  return node && group.x <= node.x && group.y <= node.y && group.x + group.w >= node.x + node.w && group.y + group.h >= node.y + node.h;
}

// The nearest box in the same row.
function beside(scene, node, step) {
  const [along, across, size] = scene.horizontal ? ["y", "x", "w"] : ["x", "y", "h"];
  const row = scene.nodes.filter((n) => n[across] < node[across] + node[size] && node[across] < n[across] + n[size] && step * (n[along] - node[along]) > 0);
  row.sort((a, b) => step * (a[along] - b[along]));
  return row.length ? row[0].key : null;
}

function show(svg, state, name) {
  const node = state.byKey.get(name), x = state.x + node.x * state.k, y = state.y + node.y * state.k;
  if (x < 10 || y < 50 || x + node.w * state.k > svg.clientWidth - 10 || y + node.h * state.k > svg.clientHeight - 10) centre(svg, state, name);
}

function say(frame, state, name) {
  const node = state.byKey.get(name);
  frame.querySelector(".said").textContent = [node.title, node.detail, ...node.card.map((row) => row.join(" "))].filter(Boolean).join(", ");
}

function search(frame, svg, state) {
  const input = frame.querySelector("input"), found = frame.querySelector(".found");
  let hits = [], at = 0;
  const go = () => { if (hits.length) { state.at = hits[at]; centre(svg, state, hits[at]); mark(svg, state); found.textContent = `${at + 1} of ${hits.length}`; } };
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().replaceAll("x", "×").split(/\s+/).filter(Boolean);
    const text = (node) => [node.key, node.title, node.detail, node.kind].join(" ").toLowerCase().replaceAll("x", "×");
    hits = words.length ? state.data.scene.nodes.filter((node) => words.every((word) => text(node).includes(word))).map((node) => node.key) : [];
    for (const [each, g] of state.nodes) g.classList.toggle("hit", hits.includes(each));
    found.textContent = words.length && !hits.length ? "nothing found" : "";
    at = 0;
    go();
  });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" || !hits.length) return;
    at = (at + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    go();
  });
}

function hide(frame) {
  frame.querySelector(".card").hidden = true;
}

function hover(frame, svg, state, event) {
  const target = event.target.closest("[data-node]"), card = frame.querySelector(".card");
  if (!target || event.pointerType === "touch") { card.hidden = true; return; }
  const node = state.byKey.get(target.dataset.node);
  if (!node) return;
  if (card.dataset.key !== node.key || card.hidden) {
    card.replaceChildren();
    const title = document.createElement("b");
    title.textContent = node.name;
    const list = document.createElement("dl");
    for (const [name, value] of node.card) {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      list.append(dt, dd);
    }
    card.append(title, list);
    card.dataset.key = node.key;
    card.hidden = false;
  }
  const box = frame.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  card.style.left = `${Math.max(4, Math.min(x + 14, box.width - card.offsetWidth - 6))}px`;
  card.style.top = `${Math.max(4, Math.min(y + 14, box.height - card.offsetHeight - 6))}px`;
}
