// Calls of the functions: with the token, with problem details as errors, and patient with one that wakes up.

/** A refusal, as problem details (RFC 9457) say it. */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} content */
  constructor(status, content) {
    super(content.detail || content.title || `The answer was ${status}.`);
    this.status = status;
    this.title = content.title ?? "";
    this.errors = content.errors ?? [];
  }
}

/** No answer came: the network or the back end is away. */
export class Unreachable extends Error {}

/** Nobody is signed in, or no longer. */
export class SignedOut extends Error {}

const RETRIES = 2;

export class Client {
  /** @param {import("../session/session.js").Session} session */
  constructor(session) {
    this.session = session;
  }

  /**
   * The answer to a call. Throws Problem, Unreachable, SignedOut, or AbortError.
   * @param {string} method @param {string} path
   * @param {{body?: unknown, headers?: Record<string, string>, keepalive?: boolean, signal?: AbortSignal}} [options]
   * @returns {Promise<Response>}
   */
  async call(method, path, options = {}) {
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#send(method, path, options);
      if (answer.ok || answer.status === 304) return answer;
      if (answer.status === 401) {
        if (attempt || !(await this.session.renew())) throw new SignedOut();
        continue;
      }
      // The inbox makes a write with its key safe to repeat, and a read is safe as it is.
      const mayRepeat = [429, 502, 503, 504].includes(answer.status) && attempt < RETRIES;
      if (mayRepeat && (method === "GET" || options.headers?.["Idempotency-Key"])) {
        await pause(Number(answer.headers.get("Retry-After") ?? 1) * 1000);
        continue;
      }
      if (answer.status >= 502) throw new Unreachable();
      throw new Problem(answer.status, await answer.json().catch(() => ({})));
    }
  }

  /** @param {string} path @param {{signal?: AbortSignal}} [options] */
  async read(path, options) {
    return (await this.call("GET", path, options)).json();
  }

  /** @param {string} method @param {string} path @param {Parameters<Client["call"]>[2]} options */
  async #send(method, path, { body, headers = {}, keepalive, signal } = {}) {
    const token = await this.session.token();
    if (!token) throw navigator.onLine ? new SignedOut() : new Unreachable();
    try {
      return await fetch(path, {
        method,
        keepalive,
        signal,
        cache: "no-store",
        credentials: "omit",
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new Unreachable();
    }
  }
}

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
