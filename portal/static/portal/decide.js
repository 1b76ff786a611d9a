// Deciding on a request: a no needs its reason before it is sent, the keys work where one decides, and the soak's bar moves.

import { typing, written } from "./typing.js";

const SETTLES = 400; // ms after the page came in which `a` may still be meant for the page before
const came = performance.now();

const note = () => document.querySelector("#vote [name=note]");
const decision = (word) => document.querySelector(`#vote [value=${word}]`);

function approve() {
  if (performance.now() - came < SETTLES) return;
  const button = decision("approve");
  document.activeElement === button ? button.click() : button.focus();
}

document.addEventListener("submit", (event) => {
  if (event.target.id !== "vote") return;
  if (event.submitter?.value === "reject" && !note().value.trim()) {
    event.preventDefault();
    note().setCustomValidity("Say why, so that it can be changed.");
    note().reportValidity();
  }
});
document.addEventListener("input", (event) => { if (event.target === note()) note().setCustomValidity(""); });

document.addEventListener("keydown", (event) => {
  if (!note()) return;
  if (event.target === note()) {
    if (event.key !== "Enter") return;
    event.preventDefault(); // Enter alone would press the first button of the form
    if (!event.repeat && (event.ctrlKey || event.metaKey)) document.getElementById("vote").requestSubmit(decision("reject"));
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.repeat) return; // a key that is held down signs nothing
  if (event.key === "a") approve();
  else if (event.key === "r") note().focus();
  else if (event.key === "e") written() || document.querySelector(".ad-deck [aria-keyshortcuts=e]")?.click();
  else return;
  event.preventDefault();
});

setInterval(() => {
  for (const bar of document.querySelectorAll("progress[data-since]")) {
    bar.value = Math.min(bar.max, Math.round((Date.now() - Date.parse(bar.dataset.since)) / 1000));
  }
}, 1000);
