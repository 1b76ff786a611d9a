// Before what formats numbers by the browser's locale: some have one that no formatter knows (`en-US@posix`), and would fail at their load.
// A classic script, so that it runs before the deferred one behind it.

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: document.documentElement.lang, configurable: true });
}
