// Draws a scene that the server has laid out, and reports what is clicked. It computes no layout.
const NS = "http://www.w3.org/2000/svg";
const FAR = 0.42; // below this scale text is not readable, and not drawn
const states = new WeakMap();

function make(tag, attributes, parent, text) {
  const element = document.createElementNS(NS, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

export default function (component) {
  const { parentElement: root, data, setTriggerValue } = component;
  const frame = root.querySelector(".frame");
  const svg = frame.querySelector(":scope > svg");
  let state = states.get(frame);
  if (!state) {
    state = { k: 1, x: 0, y: 0, signature: null, items: [], nodes: new Map(), at: null };
    states.set(frame, state);
    listen(frame, svg, state);
  }
  state.data = data;
  state.svg = svg;
  state.report = (what, key) => setTriggerValue("act", { what, key });
  const full = data.height ? `min(${data.height}px, 100vh - 96px)` : "100vh";
  if (!state.low) frame.style.height = full;
  for (const name of ["ink", "muted", "paper"]) frame.style.setProperty(`--${name}`, data.theme[name]);
  label(frame, data.scene.words);
  legend(frame, state);
  if (state.signature !== data.signature) {
    const first = state.signature === null || state.subject !== data.subject;
    const before = performance.now();
    build(svg, state);
    hide(frame);
    frame.dataset.drawMs = (performance.now() - before).toFixed(1);
    state.signature = data.signature;
    state.subject = data.subject;
    if (!first) keepAnchor(state);
    else {
      frame.style.height = full;
      fit(svg, state);
      // A picture that is not high needs no high window.
      const high = Math.max(300, 30 + frame.clientHeight - svg.clientHeight + sceneHeight(state));
      if (data.height && high < data.height) { frame.style.height = `${Math.round(high)}px`; state.low = true; }
      else state.low = false;
      if (data.selected || data.focus) show(svg, state, data.selected || data.focus);
    }
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
  state.byKey = new Map(scene.nodes.filter((node) => node.key).map((node) => [node.key, node]));
  state.groups = new Map(scene.groups.map((group) => [group.key, group]));
  // Whoever opened a module by the keyboard goes on at its first box, from where C closes it.
  if (state.groups.has(state.at)) state.at = (scene.nodes.find((node) => node.key && inside(state.groups.get(state.at), node)) || {}).key;
  for (const group of scene.groups) frameOf(group, groups, nodes, state);
  for (const edge of scene.edges) line(edge, edge.role === "guide" ? null : edges, state);
  for (const node of scene.nodes) box(node, nodes, state);
  for (const edge of scene.edges) if (edge.role === "guide") line(edge, nodes, state);
  for (const [x, y, text, size, anchor, style] of scene.texts) {
    const t = make("text", { class: `words ${style}`, x, y: y + 0.35 * size, "font-size": size, "text-anchor": anchor }, nodes, text);
    const wide = text.length * size * 0.7;
    state.items.push([x - wide, y - size, x + wide, y + size, t, true]);
  }
}

function line(edge, parent, state) {
  if (!parent) return;
  const { theme } = state.data;
  const color = edge.role === "skip" ? theme.colors.add : edge.role === "bus" ? theme.colors.concat : theme.ink;
  const g = make("g", {}, parent);
  const path = make("path", { class: `edge ${edge.role}`, d: edge.d, stroke: color }, g);
  if (edge.width) path.style.strokeWidth = edge.width;
  if (edge.dashed) path.setAttribute("stroke-dasharray", edge.role === "guide" ? "3 2" : "2 6");
  if (edge.head) make("polygon", { points: edge.head, fill: color }, g);
  if (edge.text) make("title", {}, g, edge.text);
  state.items.push([...edge.box, g, true]);
  if (edge.source) state.lines.push([edge, path]);
}

function frameOf(group, groups, nodes, state) {
  const { theme } = state.data;
  const g = make("g", { class: "group" }, groups);
  state.frames.set(group.key, g);
  make("rect", { class: "border", x: group.x, y: group.y, width: group.w, height: group.h, rx: 8 }, g);
  state.items.push([group.x, group.y, group.x + group.w, group.y + group.h, g, true]);
  // Titles stand above the lines, with paper behind them where a line may pass.
  const t = make("g", { class: "group" }, nodes);
  const title = make("g", { class: "title", "data-group": group.key }, t);
  const beside = group.detail ? 0 : 15;
  const x = group.x + group.at;
  if (!group.detail) make("rect", { class: "behind", x: x - 3, y: group.y + 5, width: group.tw + 8 + (group.at < 20 ? beside : 0), height: 17, rx: 3 }, title);
  if (group.sign) {
    const left = group.detail || group.at >= 20 ? group.x + 8 : x + 2, middle = group.y + 13.5;
    const toggle = make("g", { class: "toggles", "data-close": group.key }, t);
    make("rect", { class: "hit", x: left - 8, y: group.y + 1, width: 25, height: 25, rx: 6, fill: "transparent" }, toggle);
    make("title", {}, toggle, group.sign === "+" ? "Open" : "Close");
    make("path", { d: `M${left} ${middle}h9` + (group.sign === "+" ? `M${left + 4.5} ${middle - 4.5}v9` : ""), stroke: theme.muted, "stroke-width": 1.6 }, toggle);
  }
  const words = group.detail || group.at >= 20 ? x : x + beside;
  make("text", { class: group.detail ? "name" : "", x: words, y: group.y + 18 }, title, group.title);
  if (group.detail) make("text", { class: "kind", x: words, y: group.y + 36 }, t, group.detail);
  if (group.badge) make("text", { class: "badge", x: group.x + group.w - 14, y: group.y + 20 }, t, group.badge);
  state.items.push([group.x, group.y, group.x + group.w, group.y + 44, t, true]);
}

function box(node, nodes, state) {
  const { theme } = state.data;
  if (node.shape === "dot") {
    const dot = make("circle", { cx: node.x + 3, cy: node.y + 3, r: 3, fill: theme.ink }, nodes);
    state.items.push([node.x - 3, node.y - 3, node.x + 9, node.y + 9, dot, true]);
    return;
  }
  const g = make("g", { class: "node", "data-node": node.key }, nodes);
  const middle = [node.x + node.w / 2, node.y + node.h / 2];
  const at = { x: node.x, y: node.y, width: node.w, height: node.h };
  if (node.shape === "round") {
    make("circle", { class: "box", cx: middle[0], cy: middle[1], r: node.w / 2 - (node.w > 25 ? 1 : 0) }, g);
    const b = node.title === "+" ? 5.5 : 3.9, [x, y] = middle;
    const d = node.title === "+" ? `M${x - b} ${y}H${x + b}M${x} ${y - b}V${y + b}` : `M${x - b} ${y - b}L${x + b} ${y + b}M${x - b} ${y + b}L${x + b} ${y - b}`;
    make("path", { d, stroke: theme.colors[node.kind], "stroke-width": 2, "stroke-linecap": "round" }, g);
  } else if (node.shape === "volume") {
    for (const points of node.faces) make("polygon", { class: "box", points, "stroke-linejoin": "round" }, g);
  } else if (node.shape === "card") {
    make("rect", { ...at, rx: 8, class: "box" }, g);
    const x = node.x + 14;
    make("text", { class: "head", x, y: node.y + 26, "font-size": node.size }, g, node.title);
    node.detail.split("\n").forEach((text, i) => make("text", { class: "line", x, y: node.y + 46 + 18 * i }, g, text));
    const color = theme.colors[node.kind], wide = node.w - 28, y = node.y + node.h - 16;
    make("rect", { x, y, width: wide, height: 6, rx: 3, fill: color, "fill-opacity": 0.18 }, g);
    make("rect", { x, y, width: Math.max(2, wide * node.share), height: 6, rx: 3, fill: color }, g);
    if (node.opens) opener(node, g, node.x + node.w - 15, node.y + 17, 30);
  } else {
    if (node.opens) make("rect", { ...at, x: node.x + 4, y: node.y + 4, rx: 6, class: "behind" }, g);
    make("rect", { ...at, rx: node.shape === "pill" ? node.h / 2 : node.shape === "strip" ? 4 : 6, class: "box" }, g);
    const x = middle[0] - (node.opens ? 8 : 0);
    if (node.detail) {
      make("text", { class: "t", x, y: middle[1] - 4, "font-size": node.size }, g, node.title);
      make("text", { class: "d", x, y: middle[1] + 13 }, g, node.detail);
    } else make("text", { class: "t", x, y: middle[1] + 0.36 * node.size, "font-size": node.size }, g, node.title);
    if (node.opens) opener(node, g, node.x + node.w - 13, middle[1], node.h);
  }
  state.nodes.set(node.key, g);
  state.items.push([node.x - 6, node.y - 6, node.x + node.w + 6, node.y + node.h + 6, g, true]);
}

function opener(node, g, cx, cy, height) {
  const o = make("g", { class: "open", "data-open": node.key }, g);
  make("rect", { x: cx - 12, y: cy - height / 2, width: 25, height, rx: 6 }, o);
  make("path", { d: `M${cx - 4.5} ${cy}h9M${cx} ${cy - 4.5}v9` }, o);
  make("title", {}, o, "Open");
}

// Colours of the boxes: by kind, by a quantity, or some lit and the others dim.
function paint(state) {
  const { theme, heat } = state.data;
  for (const [key, node] of state.byKey) {
    const g = state.nodes.get(key), boxes = g.querySelectorAll(".box"), back = g.querySelector(".behind");
    const color = heat ? heat.strokes?.[key] || theme.muted : theme.colors[node.kind];
    g.classList.toggle("dim", !!heat?.strokes && !heat.strokes[key]);
    boxes.forEach((box, face) => {
      box.setAttribute("stroke", color);
      const own = node.shape === "volume" ? theme.faces[node.kind][face] : node.shape === "round" ? theme.paper : node.strong && node.shape !== "strip" ? theme.fills[node.kind] : theme.faint[node.kind];
      box.setAttribute("fill", heat ? heat.colors[key] || theme.paper : own);
    });
    if (back) { back.setAttribute("stroke", color); back.setAttribute("fill", boxes[0].getAttribute("fill")); }
  }
}

// The bar's words come with the picture, in the reader's language.
function label(frame, words) {
  const input = frame.querySelector("input");
  input.placeholder = words.find;
  input.ariaLabel = words.find;
  frame.ariaLabel = words.diagram;
  frame.querySelector(".legend").ariaLabel = words.colors;
  const keys = { in: " (+)", out: " (−)", fit: " (0)", full: "" };
  for (const button of frame.querySelectorAll("[data-do]")) {
    const name = words[button.dataset.do];
    button.ariaLabel = name;
    button.title = name + keys[button.dataset.do];
  }
}

// What the colours mean: the kinds that are drawn, or the scale of a quantity.
function legend(frame, state) {
  const { theme, heat, scene } = state.data, list = frame.querySelector(".legend");
  list.replaceChildren();
  const add = (text, fill, stroke) => {
    const item = document.createElement("span");
    if (fill) { const swatch = document.createElement("i"); swatch.style.background = fill; swatch.style.borderColor = stroke; item.append(swatch); }
    item.append(text);
    list.append(item);
  };
  if (heat?.legend) for (const item of heat.legend) add(...item);
  else if (heat) {
    add(heat.title);
    add("0");
    const bar = document.createElement("b");
    bar.style.background = `linear-gradient(to right, ${heat.scale.join(",")})`;
    list.append(bar);
    add(heat.most);
  } else for (const [kind, name] of scene.kinds) add(name, theme.fills[kind], theme.colors[kind]);
}

function mark(svg, state) {
  const { selected, layer } = state.data;
  const picked = state.byKey.get(state.picked);
  const chosen = picked && layer && (picked.selects || picked.key) === layer ? state.picked : selected;
  for (const [key, g] of state.nodes) {
    g.classList.toggle("selected", key === chosen);
    g.classList.toggle("at", key === state.at);
  }
  for (const [key, g] of state.frames) g.classList.toggle("selected", key === chosen);
  for (const [edge, path] of state.lines) path.classList.toggle("near", !!chosen && (edge.source === chosen || edge.target === chosen));
  if (chosen !== state.selected) {
    state.selected = chosen;
    if (chosen && state.clicked !== chosen) show(svg, state, chosen);
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

// Diagrams that stand beside each other (`data.beside`) move as one: at one scale, and at the same
// part of the way through each network.
function moved(svg, state) {
  later(svg, state);
  if (!state.data.beside) return;
  const { scene } = state.data;
  const detail = {
    from: svg,
    k: state.k,
    across: (svg.clientWidth / 2 - state.x) / (scene.w * state.k),
    down: (svg.clientHeight / 2 - state.y) / (scene.h * state.k),
  };
  document.dispatchEvent(new CustomEvent("layerwise-moved", { detail }));
}

function follow(svg, state) {
  const heard = ({ detail }) => {
    if (!svg.isConnected) { document.removeEventListener("layerwise-moved", heard); return; }
    if (detail.from === svg || !state.data.beside) return;
    const { scene } = state.data;
    state.k = detail.k;
    state.x = svg.clientWidth / 2 - detail.across * scene.w * state.k;
    state.y = svg.clientHeight / 2 - detail.down * scene.h * state.k;
    clamp(svg, state);
    hide(svg.parentElement);
    later(svg, state);
  };
  document.addEventListener("layerwise-moved", heard);
}

// --------------------------------------------------------------- the window

function fit(svg, state) {
  const { scene } = state.data;
  const width = svg.clientWidth || 800, height = svg.clientHeight || 600, top = 12;
  const whole = Math.min((width - 32) / scene.w, (height - top - 16) / scene.h);
  // A long network starts at its top, as large as it can be read.
  const across = scene.horizontal ? (height - top - 16) / scene.h : (width - 32) / scene.w;
  const most = scene.horizontal ? 0.62 : 0.85;
  state.k = Math.min(1.15, whole > 0.6 ? whole : Math.max(whole, Math.min(most, Math.max(across, 0.55))));
  const free = width - scene.w * state.k;
  state.x = free > 32 ? free / 2 : 16;
  state.y = top;
}

function sceneHeight(state) {
  return state.data.scene.h * state.k;
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
  hide(svg.parentElement);
  moved(svg, state);
}

function look(svg, state, x, y) {
  state.k = Math.max(state.k, 0.8);
  state.x = svg.clientWidth / 3 - x * state.k;
  state.y = svg.clientHeight / 4 - y * state.k;
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
  // What was opened near the lower edge moves up as far as it needs to be seen.
  const below = state.y + (target.y + target.h) * state.k - state.svg.clientHeight + 12;
  if (state.groups.has(held.key) && below > 0) state.y -= Math.max(0, Math.min(below, held.y - 12));
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
    state.y = Math.min(Math.max(40, before[1]), Math.max(Math.min(low[1], before[1]), state.y));
    if (state.x !== before[0] || state.y !== before[1]) { event.preventDefault(); hide(frame); moved(svg, state); }
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
    moved(svg, state);
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
    if (what === "full") {
      if (document.fullscreenElement) document.exitFullscreen();
      else frame.requestFullscreen();
    } else if (what === "fit") { fit(svg, state); moved(svg, state); }
    else if (what) zoom(svg, state, what === "in" ? 1.25 : 0.8, svg.clientWidth / 2, svg.clientHeight / 2);
  });
  frame.addEventListener("keydown", (event) => key(event, frame, svg, state));
  search(frame, svg, state);
  follow(svg, state);
  new ResizeObserver(() => { if (state.refit) { state.refit = false; fit(svg, state); } later(svg, state); }).observe(svg);
  frame.addEventListener("fullscreenchange", () => { state.refit = true; });
}

function distance(pointers) {
  const [a, b] = [...pointers.values()];
  return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
}

function click(target, state) {
  const open = target.closest("[data-open]"), close = target.closest("[data-close]"), node = target.closest("[data-node]");
  if (open) toggle(state, open.dataset.open);
  else if (close && close.dataset.close) toggle(state, close.dataset.close);
  else if (node) pick(state, node.dataset.node);
  else if (target.closest("[data-group]")) state.report("select", target.closest("[data-group]").dataset.group);
}

function toggle(state, name) {
  anchor(state, name);
  state.report("toggle", name);
}

function pick(state, name) {
  state.clicked = name;
  state.at = name;
  state.picked = name;
  for (const [each, g] of state.nodes) g.classList.toggle("selected", each === name);
  state.report("select", state.byKey.get(name).selects || name);
}

// Arrows go along the lines; without a box in focus the first arrow takes the first box.
function key(event, frame, svg, state) {
  if (event.target.tagName === "INPUT") return;
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const { scene } = state.data;
  if (step) {
    let next = state.at && state.byKey.has(state.at) ? null : state.byKey.has(state.selected) ? state.selected : scene.nodes.find((node) => node.key).key;
    if (!next) {
      const side = event.key === "ArrowLeft" || event.key === "ArrowRight";
      const along = scene.horizontal ? side : !side;
      const link = scene.links.find((ends) => ends[step > 0 ? 0 : 1] === state.at);
      if (along) next = link ? link[step > 0 ? 1 : 0] : null;
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
  else if (event.key === "0") { fit(svg, state); moved(svg, state); }
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
  const row = scene.nodes.filter((n) => n.key && n[across] < node[across] + node[size] && node[across] < n[across] + n[size] && step * (n[along] - node[along]) > 0);
  row.sort((a, b) => step * (a[along] - b[along]));
  return row.length ? row[0].key : null;
}

function show(svg, state, name) {
  const node = state.byKey.get(name) || state.groups.get(name);
  if (!node) return;
  const x = state.x + node.x * state.k, y = state.y + node.y * state.k;
  if (x < 10 || y < 10 || x + node.w * state.k > svg.clientWidth - 10 || y + node.h * state.k > svg.clientHeight - 10) centre(svg, state, name);
}

function say(frame, state, name) {
  const node = state.byKey.get(name);
  frame.querySelector(".said").textContent = [node.title, node.detail, ...node.card.map((row) => row.join(" "))].filter(Boolean).join(", ");
}

// Boxes by their words, and layers inside closed boxes by theirs: those lead to the box.
function search(frame, svg, state) {
  const input = frame.querySelector("input"), found = frame.querySelector(".found");
  let hits = [], at = 0;
  const go = () => {
    if (!hits.length) return;
    const [key, layer] = hits[at];
    if (Array.isArray(key)) look(svg, state, key[0], key[1]);
    else {
      state.at = key;
      centre(svg, state, key);
    }
    mark(svg, state);
    found.textContent = state.data.scene.words.hit.replace("{n}", at + 1).replace("{total}", hits.length) + (layer ? `: ${layer}` : "");
  };
  input.addEventListener("input", () => {
    const plain = (text) => text.toLowerCase().replace(/(\d)\s*[x×]\s*(?=\d)/g, "$1×");
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    const matches = (text) => words.every((word) => plain(text).includes(word));
    const { scene } = state.data;
    hits = !words.length ? [] : [
      ...scene.nodes.filter((node) => node.key && matches([node.key, node.title, node.detail, node.kind].join(" "))).map((node) => [node.key, ""]),
      ...scene.groups.filter((group) => matches([group.title, group.detail, group.badge].join(" "))).map((group) => [group.key, ""]),
      ...scene.texts.filter((text) => text[5].includes("bold") && matches(text[2])).map((text) => [text, ""]),
      ...scene.index.filter((entry) => matches(entry[1])).map((entry) => [entry[2], entry[0]]),
    ];
    const boxes = new Set(hits.map((hit) => hit[0]));
    for (const [each, g] of state.nodes) g.classList.toggle("hit", boxes.has(each));
    found.textContent = words.length && !hits.length ? state.data.scene.words.none : "";
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
  // Beside the box, so that it covers neither it nor what stands above and below it.
  const wide = frame.clientWidth, left = state.x + node.x * state.k, right = left + node.w * state.k;
  const top = svg.getBoundingClientRect().top - frame.getBoundingClientRect().top + state.y + node.y * state.k;
  const free = right + 12 + card.offsetWidth < wide ? right + 12 : left - 12 - card.offsetWidth;
  card.style.left = `${Math.max(4, Math.min(free, wide - card.offsetWidth - 6))}px`;
  card.style.top = `${Math.max(4, Math.min(free < 4 ? top + node.h * state.k + 10 : top, frame.clientHeight - card.offsetHeight - 6))}px`;
}
