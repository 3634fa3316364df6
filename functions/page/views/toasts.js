// Short messages at the foot of the page, some with a way back.

import { h } from "./dom.js";

const SECONDS = 7;

/** @param {string} text @param {{label: string, run: () => void}} [action] @returns {() => void} takes it away */
export function toast(text, action) {
  const gone = () => element.remove();
  const button = action && h("button", { type: "button", onclick: () => (gone(), action.run()) }, action.label);
  const element = h("div.toast", {}, h("span", {}, text), button);
  document.getElementById("toasts")?.append(element);
  let timer = setTimeout(gone, SECONDS * 1000);
  element.addEventListener("focusin", () => clearTimeout(timer));
  element.addEventListener("focusout", () => (timer = setTimeout(gone, 2000)));
  return gone;
}
