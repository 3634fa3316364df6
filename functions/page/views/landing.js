// What a person sees who is not signed in.

import { AWAY } from "../session/session.js";
import { fromTemplate } from "./dom.js";

/** @param {Session} session @param {string} said */
export function landingView(session, said) {
  const { element, reason, begin, wrong } = fromTemplate("landing");
  reason.textContent = said;
  begin.hidden = !session.settings.issuer || !session.settings.clientId || !window.isSecureContext;
  begin.onclick = () => void session.signIn().catch(() => wrong.replaceChildren(AWAY));
  return element;
}
