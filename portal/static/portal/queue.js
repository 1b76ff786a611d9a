// Moving through the queue by keyboard: j and k go through it and on to its next page, o opens, c says who is on it.
// Never while typing, never away from a note that is not sent, and once however long a key is held.

import { typing, written } from "./typing.js";

const list = () => document.getElementById("queue-list"); // it is swapped when something changes

function links() {
  return [...list().querySelectorAll("ul a[href*='request='], a[rel=next]")];
}

function move(by) {
  const all = links();
  if (!all.length) return;
  const at = all.findIndex((link) => link.hasAttribute("aria-current"));
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  if (next !== all[at]) location.assign(next.href);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
  if ("jkoc".includes(event.key) && written()) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "c") document.querySelector("#detail [aria-keyshortcuts=c]")?.click();
  else if (event.key === "o") document.querySelector("#detail .ad-meta a")?.click();
});
list().querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
