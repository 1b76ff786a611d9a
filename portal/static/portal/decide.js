// Deciding on a request: a no needs its reason before it is sent, the keys work where one decides, and the soak's bar moves.

import { typing } from "./typing.js";

const note = () => document.querySelector("#vote [name=note]");
const decision = (word) => document.querySelector(`#vote [value=${word}]`);

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
    if (event.ctrlKey || event.metaKey) document.getElementById("vote").requestSubmit(decision("reject"));
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.key === "a") document.activeElement === decision("approve") ? decision("approve").click() : decision("approve").focus();
  else if (event.key === "r") note().focus();
  else if (event.key === "e") document.querySelector(".ad-deck [aria-keyshortcuts=e]")?.click();
  else return;
  event.preventDefault();
});

setInterval(() => {
  for (const bar of document.querySelectorAll("progress[data-since]")) {
    bar.value = Math.min(bar.max, Math.round((Date.now() - Date.parse(bar.dataset.since)) / 1000));
  }
}, 1000);
