// Calls of the functions: with the token, with problem details as errors, and patient with one that wakes up.

/** A refusal, as problem details (RFC 9457) say it. */
export class Problem extends Error {
  /** @param {number} status @param {Fields} content */
  constructor(status, content) {
    super(content.detail || content.title || `The answer was ${status}.`);
    this.status = status;
    this.title = content.title ?? "";
  }
}

/** No answer came: the network or the back end is away. */
export class Unreachable extends Error {}

/** Nobody is signed in, or no longer. */
export class SignedOut extends Error {}

const RETRIES = 2;

export class Client {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
  }

  /**
   * The answer to a call. Throws Problem, Unreachable, SignedOut, or AbortError.
   * @param {string} method @param {string} path @param {CallOptions} [options]
   */
  async call(method, path, options = {}) {
    // The inbox makes a write with its key safe to repeat, and a read is safe as it is.
    const mayRepeat = method === "GET" || options.headers?.["Idempotency-Key"];
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#send(method, path, options);
      const { ok, status } = answer;
      if (ok) return answer;
      if (status === 401) {
        if (attempt || !(await this.session.renew())) throw new SignedOut();
      } else if ([429, 502, 503, 504].includes(status) && mayRepeat && attempt < RETRIES) {
        await pause(Number(answer.headers.get("Retry-After") ?? 1));
      } else {
        throw status >= 502 ? new Unreachable() : new Problem(status, await answer.json().catch(() => ({})));
      }
    }
  }

  /** @param {string} path @param {AbortSignal} [signal] */
  async read(path, signal) {
    return (await this.call("GET", path, { signal })).json();
  }

  /** @param {string} method @param {string} path @param {CallOptions} options */
  async #send(method, path, { body, headers, keepalive, signal }) {
    const token = await this.session.token();
    if (!token) throw navigator.onLine ? new SignedOut() : new Unreachable();
    const sent = { Authorization: `Bearer ${token}`, ...(body ? { "Content-Type": "application/json" } : {}), ...headers };
    try {
      const more = { keepalive, signal, body: body && JSON.stringify(body), headers: sent };
      return await fetch(path, { method, cache: "no-store", credentials: "omit", .../** @type {RequestInit} */ (more) });
    } catch (error) {
      throw error instanceof DOMException && error.name === "AbortError" ? error : new Unreachable();
    }
  }
}

/** @param {number} seconds @param {AbortSignal} [signal] that ends it early @returns {Promise<void>} */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
