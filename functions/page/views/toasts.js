// Short messages at the foot of the page, some with a way back.

import { button, h } from "./dom.js";

/** @param {string} text @param {{label: string, run: () => void}} [action] */
export function toast(text, action) {
  const gone = () => element.remove();
  const back = action && button("", action.label, () => (gone(), action.run()));
  let timer = setTimeout(gone, 7000);
  const stay = { onfocusin: () => clearTimeout(timer), onfocusout: () => (timer = setTimeout(gone, 2000)) };
  const element = h("div.toast", stay, h("span", {}, text), back);
  document.getElementById("toasts")?.append(element);
}
