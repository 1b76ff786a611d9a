// Going through the queue by keyboard: j and k move at once, and what is beside the list follows; o opens, c says who is on it.
// Never while typing, never away from a note that is not sent, and once however long a key is held.
//
// What is next is not fetched before it is looked at: from the moment at which it is made counts how long somebody looked.

import { typing, written } from "./typing.js";

const list = () => document.getElementById("queue-list"); // it is swapped when something changes, and so is
const detail = () => document.getElementById("detail");
const links = () => [...list().querySelectorAll("ul[data-moves] a, a[rel=next]")];
const numberIn = (address) => new URL(address, location).searchParams.get("request");

let current = list().querySelector("[aria-current]")?.href;
let coming = new AbortController();

function mark() {
  for (const link of links()) link.href === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
}

function move(by) {
  const all = links();
  const at = all.findIndex((link) => link.href === current);
  const next = all[Math.min(all.length - 1, Math.max(0, at + by))];
  if (!next || next.href === current) return;
  if (next.rel === "next") return location.assign(next.href);
  current = next.href;
  mark();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  if (!numberIn(next.href)) return name(next);
  history.pushState(null, "", next.href);
  show(next.href);
}

// The request of an address beside the list. What stands there meanwhile cannot be decided any more.
async function show(address) {
  coming.abort();
  coming = new AbortController();
  detail().inert = true;
  const { signal } = coming;
  try {
    const answer = await fetch(`/fragments/approvals/detail${new URL(address, location).search}`, { signal });
    if (!answer.ok || answer.redirected) return location.assign(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (signal.aborted) return;
    detail().replaceWith(page.getElementById("detail"));
  } catch {
    if (!signal.aborted) location.assign(address);
    return;
  }
  htmx.process(detail());
  document.querySelector(".ad-queue").dataset.open = "";
  document.dispatchEvent(new Event("detail-came"));
}

// What is decided on a page of its own has only its name beside the list.
function name(link) {
  coming.abort();
  const article = document.createElement("article");
  const title = Object.assign(document.createElement("h2"), { className: "ad-detail-title", textContent: link.querySelector("b").textContent });
  const where = Object.assign(document.createElement("p"), { className: "ad-meta" });
  where.append(Object.assign(document.createElement("a"), { href: link.href, textContent: "Open it" }));
  article.append(title, where);
  const section = document.createElement("section");
  section.id = "detail";
  section.className = "ad-detail";
  section.setAttribute("aria-label", "Request");
  section.append(article);
  detail().replaceWith(section);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
  if ("jkoc".includes(event.key) && written()) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "c") document.querySelector("#detail:not([inert]) [aria-keyshortcuts=c]")?.click();
  else if (event.key === "o") document.querySelector("#detail:not([inert]) .ad-meta a")?.click();
});
addEventListener("popstate", () => location.reload());
document.addEventListener("htmx:after:swap", () => { if (current) mark(); });
list().querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
