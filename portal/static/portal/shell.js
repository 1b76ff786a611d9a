// The shell's few behaviours: the palette and its keys, ? for all keys, menus that close, digests that copy, spans that tick.

import { typing } from "./typing.js";

const palette = document.getElementById("palette");

function results() {
  return [...palette.querySelectorAll("#palette-results a")];
}

if (palette) {
  const field = palette.querySelector("input");

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      palette.togglePopover();
    }
  });
  palette.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    field.select();
    field.dispatchEvent(new CustomEvent("palette-open"));
  });
  palette.addEventListener("keydown", (event) => {
    const links = results();
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = event.key === "ArrowDown" ? at + 1 : at - 1;
      (next < 0 ? field : links[Math.min(next, links.length - 1)])?.focus();
    } else if (event.key === "Enter" && at < 0 && links.length) {
      event.preventDefault();
      links[0].click();
    } else if (at >= 0 && event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
      field.focus();
    }
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
  document.getElementById("keys")?.togglePopover();
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.ad-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const copied = event.target.closest?.("[data-copy]");
  if (copied && navigator.clipboard) navigator.clipboard.writeText(copied.dataset.copy);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.ad-menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

for (const toast of document.querySelectorAll("#toasts > *")) setTimeout(() => toast.remove(), 8000);

// The same words as portal/web/words.py: 42 s, 1 min 05 s, 3 h 31 min, 2 d 4 h.
function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

setInterval(() => {
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.round((Date.parse(element.dataset.until) - Date.now()) / 1000));
    const text = left ? span(left) : "no time";
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of document.querySelectorAll("[data-ticking]")) {
    const seconds = Math.max(1, Math.round((Date.now() - Date.parse(element.dataset.ticking)) / 1000));
    const text = span(seconds);
    if (element.textContent !== text) element.textContent = text;
  }
}, 1000);
