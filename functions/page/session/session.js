// Who is signed in. Tokens are in memory alone; what a browser keeps is who it was, and one attempt under way.

import { authorization, claims, discover, redeem, redirectUri, refresh, SignInError } from "./oidc.js";

const EARLY_SECONDS = 60; // a token is renewed this long before it ends

/** @typedef {import("../store/database.js").Database} Database */

/** Dispatches "change" when somebody is signed in, or no longer. */
export class Session extends EventTarget {
  #token = "";
  #refreshToken = "";
  #ends = 0;
  /** @type {import("./oidc.js").Provider | null} */
  #provider = null;
  /** @type {Promise<boolean> | null} */
  #renewing = null;

  /** @param {import("./oidc.js").Settings} settings @param {Database} database */
  constructor(settings, database) {
    super();
    this.settings = settings;
    this.database = database;
    /** Who is signed in, or was when this browser was last online. */
    this.user = "";
  }

  get isSignedIn() {
    return this.#token !== "";
  }

  /**
   * Take up what the address says, or what the browser knows. Resolves to why nobody is signed in, or "".
   * Where the person has to be sent elsewhere it does not resolve: the page is about to be left.
   * @returns {Promise<string>}
   */
  async resume() {
    const asked = new URLSearchParams(location.search);
    if (asked.size) history.replaceState(null, "", location.pathname + location.hash);
    this.user = (await this.database.get("user")) ?? "";
    if (!this.settings.issuer || !this.settings.clientId) return "Nobody can sign in here yet.";
    if (!window.isSecureContext) return "Signing in needs https.";
    const state = asked.get("state");
    try {
      if (state) return await this.#return(state, asked);
      if (asked.get("iss") === this.settings.issuer) return await this.signIn();
      if (this.user && navigator.onLine) return await this.signIn("none");
    } catch (error) {
      return reason(error);
    }
    return "Sign in to see your tasks.";
  }

  /** Send the person to the issuer. @param {"" | "none"} prompt @returns {Promise<never>} */
  async signIn(prompt = "") {
    this.#provider = await discover(this.settings.issuer);
    const { url, attempt } = await authorization(this.#provider, this.settings, prompt);
    await this.database.set("attempt", attempt);
    location.assign(url);
    return new Promise(() => {});
  }

  /** Forget the person, here and at the issuer. */
  async signOut() {
    const provider = this.#provider;
    this.#forget();
    await this.database.clear();
    const query = new URLSearchParams({ client_id: this.settings.clientId, post_logout_redirect_uri: redirectUri() });
    if (provider?.end_session_endpoint) location.assign(`${provider.end_session_endpoint}?${query}`);
    else location.reload();
  }

  /** The token to send; "" where nobody is signed in. */
  async token() {
    if (this.#token && Date.now() > this.#ends - EARLY_SECONDS * 1000) await this.renew();
    return this.#token;
  }

  /** Get another token in place of one that was refused, or ends; false where the person has to sign in again. */
  renew() {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew() {
    if (this.#refreshToken && this.#provider) {
      try {
        this.#take(await refresh(this.#provider, this.settings, this.#refreshToken));
        return true;
      } catch (error) {
        if (!(error instanceof SignInError)) return true; // out of reach: the token at hand may still hold
      }
    }
    this.#forget();
    this.dispatchEvent(new Event("change"));
    return false;
  }

  /** @param {string} state @param {URLSearchParams} asked */
  async #return(state, asked) {
    const attempt = await this.database.get("attempt");
    await this.database.set("attempt", undefined);
    const isOurs = attempt?.state === state && (asked.get("iss") ?? this.settings.issuer) === this.settings.issuer;
    const code = asked.get("code");
    if (asked.get("error") === "login_required") return "Sign in to see your tasks.";
    if (!isOurs || !code) return asked.get("error_description") ?? "That sign-in was not begun here. Try again.";
    this.#provider = await discover(this.settings.issuer);
    this.#take(await redeem(this.#provider, this.settings, code, attempt.verifier));
    if (attempt.hash) history.replaceState(null, "", location.pathname + attempt.hash);
    const user = String(claims(this.#token)[this.settings.userClaim] ?? "");
    if (this.user && this.user !== user) await this.database.clear(); // another person's
    this.user = user;
    await this.database.set("user", user);
    return "";
  }

  /** @param {import("./oidc.js").Granted} granted */
  #take(granted) {
    this.#token = granted.access_token;
    this.#refreshToken = granted.refresh_token ?? this.#refreshToken;
    this.#ends = Date.now() + (granted.expires_in ?? 3600) * 1000;
  }

  #forget() {
    this.#token = this.#refreshToken = "";
  }
}

/** @param {unknown} error */
function reason(error) {
  if (error instanceof SignInError) return error.message;
  return "Whoever signs people in cannot be reached just now.";
}
