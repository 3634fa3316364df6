// Who is signed in. Tokens are in memory alone; what a browser keeps is who it was, and one attempt under way.

import { Emitter } from "../events.js";
import { authorization, claims, discover, granted, redirectUri, SignInError } from "./oidc.js";

const EARLY_MS = 60_000; // a token is renewed this long before it ends
const NOBODY = "Sign in to see your tasks.";
export const AWAY = "Whoever signs people in cannot be reached just now.";

/** Emits "change" when nobody is signed in any longer. */
export class Session extends Emitter {
  #token = "";
  #refreshToken = "";
  #ends = 0;
  #provider = /** @type {Provider | null} */ (null);
  #renewing = /** @type {Promise<boolean> | null} */ (null);

  /** @param {Settings} settings @param {Database} database */
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
   */
  async resume() {
    const asked = new URLSearchParams(location.search);
    if (asked.size) history.replaceState(null, "", location.pathname + location.hash);
    this.user = (await this.database.get("user")) ?? "";
    if (!this.settings.issuer || !this.settings.clientId) return "Nobody can sign in here yet.";
    if (!window.isSecureContext) return "Signing in needs https.";
    try {
      if (asked.has("state")) return await this.#return(asked);
      if (asked.get("iss") === this.settings.issuer) return await this.signIn();
      if (this.user && navigator.onLine) return await this.signIn("none");
    } catch (error) {
      return error instanceof SignInError ? error.message : AWAY;
    }
    return NOBODY;
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
    this.#token = this.#refreshToken = "";
    await this.database.clear();
    const end = this.#provider?.end_session_endpoint;
    const query = new URLSearchParams({ client_id: this.settings.clientId, post_logout_redirect_uri: redirectUri() });
    if (end) location.assign(`${end}?${query}`);
    else location.reload();
  }

  /** The token to send; "" where nobody is signed in. */
  async token() {
    if (this.#token && Date.now() > this.#ends - EARLY_MS) await this.renew();
    return this.#token;
  }

  /** Get another token in place of one that was refused, or ends; false where the person has to sign in again. */
  renew() {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew() {
    try {
      if (this.#refreshToken) await this.#take({ grant_type: "refresh_token", refresh_token: this.#refreshToken });
      if (this.#refreshToken) return true;
    } catch (error) {
      if (!(error instanceof SignInError)) return true; // out of reach: the token at hand may still hold
    }
    this.#token = this.#refreshToken = "";
    this.emit("change");
    return false;
  }

  /** @param {URLSearchParams} asked */
  async #return(asked) {
    const attempt = await this.database.get("attempt");
    await this.database.set("attempt", undefined);
    const code = asked.get("code");
    if (asked.get("error") === "login_required") return NOBODY;
    const isOurs = attempt?.state === asked.get("state") && (asked.get("iss") ?? this.settings.issuer) === this.settings.issuer;
    if (!isOurs || !code) return asked.get("error_description") ?? "That sign-in was not begun here. Try again.";
    this.#provider = await discover(this.settings.issuer);
    await this.#take({ grant_type: "authorization_code", redirect_uri: redirectUri(), code, code_verifier: attempt.verifier });
    if (attempt.hash) history.replaceState(null, "", location.pathname + attempt.hash);
    const user = String(claims(this.#token)[this.settings.userClaim] ?? "");
    if (this.user && this.user !== user) await this.database.clear(); // another person's
    this.user = user;
    await this.database.set("user", user);
    return "";
  }

  /** @param {Record<string, string>} grant */
  async #take(grant) {
    const given = await granted(/** @type {Provider} */ (this.#provider), { client_id: this.settings.clientId, ...grant });
    this.#token = given.access_token;
    this.#refreshToken = given.refresh_token ?? this.#refreshToken;
    this.#ends = Date.now() + (given.expires_in ?? 3600) * 1000;
  }
}
