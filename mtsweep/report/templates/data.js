"use strict";
// Light or dark: as the reader's system says, until the button says otherwise.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const choose = (name) => { root.dataset.theme = name; };
  choose(dark.matches ? "dark" : "light");
  dark.addEventListener("change", (event) => choose(event.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () =>
    choose(root.dataset.theme === "dark" ? "light" : "dark"));
  window.addEventListener("beforeprint", () => choose("light"));
  window.addEventListener("afterprint", () => choose(dark.matches ? "dark" : "light"));
})();
