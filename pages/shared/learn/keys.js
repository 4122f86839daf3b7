// The keys of a talk: right and Page Down go on, left and Page Up go back, Escape ends it.

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

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  const talk = talks.get(parentElement);
  if (talk) {
    talk.send = setTriggerValue;
    return;
  }
  const made = { send: setTriggerValue };
  talks.set(parentElement, made);
  const listen = (event) => {
    const what = KEYS[event.key];
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    if (!what || !plain || event.defaultPrevented || isTaken(event)) return;
    event.preventDefault();
    made.send("key", what);
  };
  document.addEventListener("keydown", listen);
  document.documentElement.dataset.talkKeys = "on";  // a test can wait until keys are heard
  return () => {
    document.removeEventListener("keydown", listen);
    delete document.documentElement.dataset.talkKeys;
    talks.delete(parentElement);
  };
}
