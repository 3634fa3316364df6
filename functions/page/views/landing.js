// What a person sees who is not signed in.

import { button, h, icon } from "./dom.js";

/** @param {Session} session @param {string} said */
export function landingView(session, said) {
  const wrong = h("p.wrong", { role: "alert" });
  const begin = () => session.signIn().catch(() => wrong.replaceChildren("Whoever signs people in cannot be reached just now."));
  const canSignIn = session.settings.issuer && session.settings.clientId && window.isSecureContext;
  return h(
    "section.landing", {},
    h("span.logo.large", {}, icon("check")),
    h("h2", {}, "Your tasks, kept while everything sleeps."),
    h("p", {}, said),
    canSignIn && button("primary", "Sign in", () => void begin()),
    wrong,
    h("p.hint", {}, "This page keeps your sign-in in memory alone: closing it signs you out here."),
  );
}
