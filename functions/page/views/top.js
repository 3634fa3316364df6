// The head of the page: who is signed in, whether what is shown is fresh, and what waits.

import { clockText } from "./dates.js";
import { h, icon } from "./dom.js";

/** @param {import("../session/session.js").Session} session @param {import("../actions.js").Actions | null} actions */
export function topView(session, actions) {
  const state = h("div.state", { role: "status" });
  const render = () => {
    state.replaceChildren(...(actions ? states(session, actions) : []));
  };
  const top = document.getElementById("top");
  top?.replaceChildren(
    h("div.brand", {}, h("span.logo", {}, icon("check")), h("h1", {}, "Tasks")),
    state,
    ...(actions ? [h("div.who", {}, h("span", {}, session.user), h("button.quiet", { type: "button", onclick: () => void session.signOut() }, session.isSignedIn ? "Sign out" : "Forget me"))] : []),
  );
  return render;
}

/** @param {import("../session/session.js").Session} session @param {import("../actions.js").Actions} actions */
function states(session, { tasks, queue }) {
  const found = [];
  const now = Date.now();
  const waiting = queue.waiting.filter((each) => !each.notBefore || each.notBefore < now).length;
  const isAway = !navigator.onLine || (tasks.isStale && session.isSignedIn);
  if (isAway) {
    found.push(h("span.chip.stale", {}, tasks.freshAt ? `Offline · as of ${clockText(tasks.freshAt)}` : "Offline"));
  }
  if (waiting && (isAway || !session.isSignedIn)) found.push(h("span.chip", {}, waiting === 1 ? "1 change waits" : `${waiting} changes wait`));
  if (!session.isSignedIn && navigator.onLine) {
    found.push(h("button.primary", { type: "button", onclick: () => void session.signIn() }, "Sign in"));
  }
  return found;
}
