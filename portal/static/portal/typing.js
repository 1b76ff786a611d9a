// Whether a key goes into what somebody is writing. Of its own, because a module that acts when it is loaded is loaded once only by its
// hashed address: imported by its plain one too, it would hear each key twice.

export function typing(target) {
  return Boolean(target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable], [popover]"));
}
