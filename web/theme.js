// Light or dark, before anything is painted: no module, as those wait for the whole page.

(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  let kept = null;
  try {
    kept = localStorage.getItem("chatter-theme");
  } catch {
    // Storage may be forbidden: then the choice lasts as long as the page.
  }
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => button.setAttribute("aria-pressed", String(current() === "dark"));
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("chatter-theme", root.dataset.theme);
      } catch {
        // As above.
      }
      say();
    });
    dark.addEventListener("change", say);
    say();
  });
})();
