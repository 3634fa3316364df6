// The secret address at which calendar programs read the open tasks: made, copied and revoked.

import { button, fromTemplate } from "./dom.js";

const SHOWN_ONCE = "It is shown this once. Another address ends this one.";

/** A button, and the dialog that it opens. @param {Client} client */
export function calendarButton(client) {
  const { element: dialog, line, address, copy, said, make, revoke } = fromTemplate("calendar");
  const show = (/** @type {string} */ url, /** @type {string} */ text) => {
    address.value = url;
    line.hidden = !url;
    said.textContent = text;
  };
  /** @param {string} method @param {(answer: Response) => Promise<void> | void} take */
  const call = (method, take) =>
    void client.call(method, "/calendar").then(take).catch((/** @type {Error} */ { message }) => show("", message || "That was not possible just now. Try again later."));
  const made = async (/** @type {Response} */ answer) => {
    show(location.origin + (await answer.json()).address, SHOWN_ONCE);
    address.focus();
  };
  const copied = () => void (said.textContent = `Copied. ${SHOWN_ONCE}`);
  make.onclick = () => call("PUT", made);
  revoke.onclick = () => call("DELETE", () => show("", "No address shows your tasks any longer."));
  // Where a page may not copy, the address is selected for the person to do so.
  copy.onclick = () => void navigator.clipboard.writeText(address.value).then(copied, () => address.focus());
  address.onfocus = () => address.select();
  dialog.onclose = () => show("", ""); // no secret stays in the page
  document.body.append(dialog);
  return button("quiet", "Calendar", () => dialog.showModal(), { "aria-haspopup": "dialog" });
}
