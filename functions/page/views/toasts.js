// Short messages at the foot of the page, some with a way back.

import { button, h } from "./dom.js";

const SECONDS = 7;

/** @param {string} text @param {{label: string, run: () => void}} [action] */
export function toast(text, action) {
  const gone = () => element.remove();
  const back = action && button("", action.label, () => (gone(), action.run()));
  const element = h("div.toast", {}, h("span", {}, text), back);
  document.getElementById("toasts")?.append(element);
  let timer = setTimeout(gone, SECONDS * 1000);
  element.addEventListener("focusin", () => clearTimeout(timer));
  element.addEventListener("focusout", () => (timer = setTimeout(gone, 2000)));
}
