// Events that carry what they tell, and work that goes on while the page is seen.

export class Emitter extends EventTarget {
  /** @param {string} type @param {(detail: any) => void} listener */
  on(type, listener) {
    this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {string} type @param {unknown} [detail] */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Run while it is wanted and the page is seen, so that functions sleep else; what this returns looks anew whether it is. @param {() => boolean} isWanted @param {(signal: AbortSignal) => Promise<void>} run */
export function whileSeen(isWanted, run) {
  let running = /** @type {AbortController | null} */ (null);
  const follow = () => {
    const wanted = isWanted() && document.visibilityState === "visible";
    if (wanted === Boolean(running)) return;
    running?.abort();
    const mine = (running = wanted ? new AbortController() : null);
    if (mine) void run(mine.signal).finally(() => running === mine && (running = null));
  };
  document.addEventListener("visibilitychange", follow);
  return follow;
}
