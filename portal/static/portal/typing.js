// Whether a key goes into what somebody is writing, and whether it would lose what they wrote. Of its own, because a module that acts
// when it is loaded is loaded once only by its hashed address: imported by its plain one too, it would hear each key twice.

export function typing(target) {
  return Boolean(target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable], [popover]"));
}

// Whether there is a note that going elsewhere would lose; then it is said, once at a time.
export function written() {
  if (!document.querySelector("#vote [name=note]")?.value.trim()) return false;
  const toasts = document.getElementById("toasts");
  if (toasts.querySelector("[data-written]")) return true;
  const toast = document.createElement("div");
  toast.className = "ad-toast";
  toast.dataset.written = "";
  toast.append(Object.assign(document.createElement("span"), { textContent: "Your note is not sent yet. Decide, or empty it first." }));
  toasts.append(toast);
  setTimeout(() => toast.remove(), 8000);
  return true;
}
