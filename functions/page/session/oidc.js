// OpenID Connect, authorization code with PKCE, as a public client (RFC 6749, RFC 7636, RFC 9207).

export class SignInError extends Error {}

export const redirectUri = () => `${location.origin}/`;

/** What the issuer says of itself. Throws TypeError when it is out of reach. @param {string} issuer @returns {Promise<Provider>} */
export async function discover(issuer) {
  const answer = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const found = answer.ok ? await answer.json() : {};
  if (found.issuer !== issuer) throw new SignInError(`${issuer} does not describe itself as an OpenID provider.`);
  return found;
}

/**
 * Where to send the person, and what to remember until they come back. `prompt` "none" asks nothing of them.
 * @param {Provider} provider @param {Settings} settings @param {"" | "none"} prompt
 */
export async function authorization(provider, settings, prompt) {
  const attempt = { state: random(), verifier: random(), hash: location.hash };
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(attempt.verifier));
  const query = new URLSearchParams({
    response_type: "code",
    client_id: settings.clientId,
    redirect_uri: redirectUri(),
    scope: settings.scopes,
    state: attempt.state,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
    ...(prompt && { prompt }),
  });
  const { authorization_endpoint: at } = provider;
  return { url: `${at}${at.includes("?") ? "&" : "?"}${query}`, attempt };
}

/** Tokens for a code with its verifier, or for a refresh token. @param {Provider} provider @param {Record<string, string>} grant @returns {Promise<Granted>} */
export async function granted(provider, grant) {
  const answer = await fetch(provider.token_endpoint, { method: "POST", body: new URLSearchParams(grant) });
  const given = await answer.json().catch(() => ({}));
  if (!answer.ok || !given.access_token) throw new SignInError(`Signing in was refused (${given.error ?? answer.status}).`);
  return given;
}

/** The claims of a token, unverified: for showing who is signed in. The functions verify it. @param {string} token @returns {Fields} */
export function claims(token) {
  try {
    const payload = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (each) => each.charCodeAt(0))));
  } catch {
    return {};
  }
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** @param {Uint8Array} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
