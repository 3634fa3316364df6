// The head of the page: who is signed in, whether what is shown is fresh, and what waits.

import { clockText } from "./dates.js";
import { button, h } from "./dom.js";

/** @param {Session} session @param {Actions} actions @param {HTMLElement[]} more @returns {() => void} renders it anew */
export function topView(session, actions, more) {
  const leave = button("quiet", session.isSignedIn ? "Sign out" : "Forget me", () => void session.signOut());
  document.getElementById("top")?.append(...more, h("div.who", {}, h("span", {}, session.user), leave));
  return () => document.getElementById("state")?.replaceChildren(...states(session, actions));
}

/** @param {Session} session @param {Actions} actions */
function states(session, { tasks, queue }) {
  const waiting = queue.waiting.filter((each) => each.notBefore < Date.now()).length;
  const allow = () => void Notification.requestPermission().then(() => tasks.emit("change"));
  const isAway = !navigator.onLine || (tasks.isStale && session.isSignedIn);
  return [
    isAway && h("span.chip.stale", {}, tasks.freshAt ? `Offline · as of ${clockText(tasks.freshAt)}` : "Offline"),
    waiting && (isAway || !session.isSignedIn) && h("span.chip", {}, waiting === 1 ? "1 change waits" : `${waiting} changes wait`),
    session.isSignedIn && globalThis.Notification?.permission === "default" && button("quiet", "Notify me here", allow),
    !session.isSignedIn && navigator.onLine && button("primary", "Sign in", () => void session.signIn()),
  ].filter((each) => each instanceof Node);
}
