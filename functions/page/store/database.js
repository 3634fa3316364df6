// What the browser keeps: the tasks last seen, writes that were not sent yet, and who it was. Never a token.

const NAME = "taskmaster";

/** Values by name, and the queue of writes. Where the browser keeps nothing, it lives as long as the page. */
export class Database {
  /** @type {Promise<IDBDatabase> | undefined} */
  #open;

  /** @param {string} name @returns {Promise<any>} */
  get(name) {
    return this.#run("values", "readonly", (store) => store.get(name));
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    return this.#run("values", "readwrite", (store) => (value === undefined ? store.delete(name) : store.put(value, name)));
  }

  /** @returns {Promise<import("./queue.js").Write[]>} in the order in which they were made */
  async writes() {
    return (await this.#run("queue", "readonly", (store) => store.getAll())).sort(
      (/** @type {any} */ one, /** @type {any} */ other) => one.at - other.at,
    );
  }

  /** @param {import("./queue.js").Write} write */
  keep(write) {
    return this.#run("queue", "readwrite", (store) => store.put(write));
  }

  /** @param {string} key */
  drop(key) {
    return this.#run("queue", "readwrite", (store) => store.delete(key));
  }

  async clear() {
    for (const name of ["values", "queue"]) await this.#run(name, "readwrite", (store) => store.clear());
  }

  /**
   * @param {string} name @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest} ask
   * @returns {Promise<any>}
   */
  async #run(name, mode, ask) {
    this.#open ??= opened();
    const transaction = (await this.#open).transaction(name, mode);
    const request = ask(transaction.objectStore(name));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  }
}

/** @returns {Promise<IDBDatabase>} */
function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("values");
      request.result.createObjectStore("queue", { keyPath: "key" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
