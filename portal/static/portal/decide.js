// Deciding on a request: a no needs its reason before it is sent, the keys work where one decides, and the soak's bar moves.

import { typing, written } from "./typing.js";

const SETTLES = 400; // ms after the page came in which `a` may still be meant for the page before
let came = performance.now();
document.addEventListener("detail-came", () => { came = performance.now(); });

// The vote, or the review of broken glass; none while the next one is still on its way.
const form = () => document.querySelector("#vote:not([inert] *)");
const note = () => form()?.querySelector("[name=note]");
const button = (key) => form()?.querySelector(`[aria-keyshortcuts=${key}]`);

function approve() {
  if (performance.now() - came < SETTLES) return;
  document.activeElement === button("a") ? button("a").click() : button("a").focus();
}

document.addEventListener("submit", (event) => {
  if (event.target.id !== "vote") return;
  if (event.submitter === button("r") && !note().value.trim()) {
    event.preventDefault();
    note().setCustomValidity(note().dataset.missing);
    note().reportValidity();
  }
});
document.addEventListener("input", (event) => { if (event.target === note()) note().setCustomValidity(""); });

document.addEventListener("keydown", (event) => {
  if (!note()) return;
  if (event.target === note()) {
    if (event.key !== "Enter") return;
    event.preventDefault(); // Enter alone would press the first button of the form
    if (!event.repeat && (event.ctrlKey || event.metaKey)) form().requestSubmit(button("r"));
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

// After a refusal: loading the page again is to look at the request, and not to send what was refused.
const refused = document.querySelector("[data-refused]");
if (refused) history.replaceState(null, "", refused.dataset.refused);

setInterval(() => {
  for (const bar of document.querySelectorAll("progress[data-since]")) {
    bar.value = Math.min(bar.max, Math.round((Date.now() - Date.parse(bar.dataset.since)) / 1000));
  }
}, 1000);
