// The secret address at which calendar programs read the open tasks: made, copied and revoked.

import { button, h, input } from "./dom.js";

const SHOWN_ONCE = "It is shown this once. Another address ends this one.";

/** A button, and the dialog that it opens. @param {Client} client */
export function calendarButton(client) {
  const address = input("address", { "aria-label": "Address of the calendar", readonly: true, onfocus: () => address.select() });
  const line = h("div.add-line", {}, address, button("", "Copy", () => void copy()));
  const said = h("p.hint", { role: "status" });
  const show = (/** @type {string} */ url, /** @type {string} */ text) => {
    address.value = url;
    line.hidden = !url;
    said.replaceChildren(text);
  };
  /** @param {string} method @param {(answer: Response) => Promise<void> | void} take */
  const call = (method, take) =>
    void client.call(method, "/calendar").then(take).catch((/** @type {Error} */ { message }) => show("", message || "That was not possible just now. Try again later."));
  const made = async (/** @type {Response} */ answer) => {
    show(location.origin + (await answer.json()).address, SHOWN_ONCE);
    address.focus();
  };
  const revoked = () => show("", "No address shows your tasks any longer.");
  const copy = () =>
    navigator.clipboard.writeText(address.value).then(
      () => said.replaceChildren(`Copied. ${SHOWN_ONCE}`),
      () => address.focus(), // not allowed here: it is selected, for the person to copy
    );
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      "dialog", { "aria-labelledby": "calendar-title", onclose: () => show("", "") }, // no secret stays in the page
      h("h2", { id: "calendar-title" }, "Your tasks in a calendar"),
      h("p", {}, "Calendar programs can subscribe to an address that shows your open tasks. Whoever knows it reads them, so keep it to yourself."),
      line, said,
      h(
        "div.actions", {},
        button("primary", "Make an address", () => call("PUT", made)), button("quiet.danger", "Revoke it", () => call("DELETE", revoked)),
        h("span.gap"), button("", "Close", () => dialog.close()),
      ),
    )
  );
  show("", "");
  document.body.append(dialog);
  return button("quiet", "Calendar", () => dialog.showModal(), { "aria-haspopup": "dialog" });
}
