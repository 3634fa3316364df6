// What the browser keeps: the tasks last seen, writes that were not sent yet, and who it was. Never a token.

/** Values by name, and the queue of writes. */
export class Database {
  /** @type {Promise<IDBDatabase> | undefined} */
  #open;

  /** @param {string} name @returns {Promise<any>} */
  get(name) {
    return this.#run("values", (store) => store.get(name));
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    return this.#run("values", (store) => (value === undefined ? store.delete(name) : store.put(value, name)));
  }

  /** @returns {Promise<Write[]>} */
  writes() {
    return this.#run("queue", (store) => store.getAll());
  }

  /** @param {Write} write */
  keep(write) {
    return this.#run("queue", (store) => store.put(write));
  }

  /** @param {string} key */
  drop(key) {
    return this.#run("queue", (store) => store.delete(key));
  }

  async clear() {
    for (const name of ["values", "queue"]) await this.#run(name, (store) => store.clear());
  }

  /** @param {string} name @param {(store: IDBObjectStore) => IDBRequest} ask @returns {Promise<any>} */
  async #run(name, ask) {
    this.#open ??= opened();
    const transaction = (await this.#open).transaction(name, "readwrite");
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
    const request = indexedDB.open("taskmaster", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("values");
      request.result.createObjectStore("queue", { keyPath: "key" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
