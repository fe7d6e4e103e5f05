"use strict";
const root = document.documentElement;
root.classList.add("live");
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const report = JSON.parse(find("#data").textContent);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text) {
  find("#said").textContent = text;
}

function copyByHand(text) {
  const area = element("textarea", "hidden");
  area.value = text;
  (find("dialog[open]") || document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copyByHand(text);
  }
  const before = button.dataset.before || button.textContent;
  button.dataset.before = before;
  button.textContent = done ? "Copied" : "Select and copy by hand";
  say(button.textContent);
  setTimeout(() => { button.textContent = before; }, 1500);
}

function download(name, text, type = "application/json") {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/* The address keeps what is shown: #neighbours?show=wrong&class=cat */
function readState() {
  const [place, query = ""] = location.hash.slice(1).split("?");
  return { place, options: new URLSearchParams(query) };
}

function writeState(place, options) {
  const query = new URLSearchParams(options).toString();
  const next = `#${place}${query ? `?${query}` : ""}`;
  if (next !== location.hash) history.pushState(null, "", next);
}

/* Reading the store of marks can be forbidden; then they last as long as the page. */
const memory = {
  load() {
    try { return JSON.parse(localStorage.getItem(report.key)) || {}; } catch { return {}; }
  },
  save(marks) {
    try { localStorage.setItem(report.key, JSON.stringify(marks)); } catch { say("Marks cannot be kept in this browser"); }
  },
};
