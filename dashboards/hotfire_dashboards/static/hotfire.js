// Comforts only: every page is complete without this file.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const remembered = localStorage.getItem("hotfire-theme");
  if (remembered) root.dataset.theme = remembered;

  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-act]");
    if (!button) return;
    if (button.dataset.act === "theme") {
      root.dataset.theme = isDark() ? "light" : "dark";
      localStorage.setItem("hotfire-theme", root.dataset.theme);
      document.dispatchEvent(new Event("hotfire:theme"));
    }
    if (button.dataset.act === "copy") {
      const text = button.parentElement.querySelector("code").textContent;
      navigator.clipboard.writeText(text).then(() => {
        button.textContent = "copied";
        setTimeout(() => { button.textContent = "copy"; }, 1200);
      });
    }
  });
})();
