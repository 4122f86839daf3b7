// The keys of a talk: right and Page Down go on, left and Page Up go back, Escape ends it.
// What does not fit on the screen is scrolled to first, so that a clicker alone reaches all of it.

const KEYS = {
  ArrowRight: "on", PageDown: "on", ArrowLeft: "back", PageUp: "back", Escape: "leave",
};
const talks = new WeakMap();

function isTaken(event) {
  // A field, a slider or a choice that has the focus needs these keys itself.
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return false;
  const own = "input, textarea, select, canvas, svg, [contenteditable=true], [role=slider], "
    + "[role=radio], [role=tab], [role=listbox], [role=option], [role=combobox], [role=application]";
  return event.key !== "Escape" && target.closest(own) !== null;
}

function main() {
  return document.querySelector('[data-testid="stMain"]');
}

// How many pixels of the part lie below the bar at the foot.
function hiddenBelow() {
  const bar = document.querySelector(".st-key-talk_bar");
  const block = document.querySelector('[data-testid="stMainBlockContainer"]');
  if (!bar || !block || !main()) return 0;
  const foot = block.getBoundingClientRect().bottom - parseFloat(getComputedStyle(block).paddingBottom);
  const room = main().scrollHeight - main().clientHeight - main().scrollTop;
  return Math.min(foot - bar.getBoundingClientRect().top, room);
}

// A mark at the foot says that there is more; the key that goes on shows it.
function mark() {
  document.documentElement.toggleAttribute("data-talk-more", hiddenBelow() >= 24);
}

function watch() {
  const sizes = new ResizeObserver(mark);
  const block = document.querySelector('[data-testid="stMainBlockContainer"]');
  if (block) sizes.observe(block);
  const scroller = main();
  scroller?.addEventListener("scroll", mark);
  mark();
  return () => {
    sizes.disconnect();
    scroller?.removeEventListener("scroll", mark);
    document.documentElement.removeAttribute("data-talk-more");
  };
}

function scrolled(what) {
  const hidden = hiddenBelow();
  if (what !== "on" || hidden < 24) return false;
  const screen = main().clientHeight - 160;  // some of what was read stays in view
  main().scrollBy({ top: Math.min(hidden + 24, screen), behavior: "instant" });
  return true;
}

export default function (component) {
  const { parentElement, setTriggerValue, data } = component;
  const talk = talks.get(parentElement);
  if (talk) {
    talk.send = setTriggerValue;
    if (talk.step !== data.step) main()?.scrollTo(0, 0);
    talk.step = data.step;
    return;
  }
  const made = { send: setTriggerValue, step: data.step };
  talks.set(parentElement, made);
  const listen = (event) => {
    const what = KEYS[event.key];
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    if (!what || !plain || event.defaultPrevented || isTaken(event)) return;
    event.preventDefault();
    if (scrolled(what)) return;
    made.send("key", what);
  };
  document.addEventListener("keydown", listen);
  document.documentElement.dataset.talkKeys = "on";  // a test can wait until keys are heard
  const unwatch = watch();
  return () => {
    unwatch();
    document.removeEventListener("keydown", listen);
    delete document.documentElement.dataset.talkKeys;
    talks.delete(parentElement);
  };
}
