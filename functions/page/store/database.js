// What the browser keeps: the tasks last seen, writes that were not sent yet, and who it was. Never a token.

const WRITE = "write ";

/** Values by name; each write that waits is one. */
export class Database {
  /** @type {Promise<IDBDatabase> | undefined} */
  #open;

  /** @param {string} name @returns {Promise<any>} */
  get(name) {
    return this.#run((store) => store.get(name));
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    return this.#run((store) => (value === undefined ? store.delete(name) : store.put(value, name)));
  }

  /** @returns {Promise<Write[]>} */
  writes() {
    return this.#run((store) => store.getAll(IDBKeyRange.bound(WRITE, `${WRITE}~`)));
  }

  /** @param {Write} write @param {boolean} [isGone] */
  keep(write, isGone = false) {
    return this.set(WRITE + write.key, isGone ? undefined : write);
  }

  clear() {
    return this.#run((store) => store.clear());
  }

  /** @param {(store: IDBObjectStore) => IDBRequest} ask @returns {Promise<any>} */
  async #run(ask) {
    this.#open ??= opened();
    const transaction = (await this.#open).transaction("values", "readwrite");
    const request = ask(transaction.objectStore("values"));
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
    request.onupgradeneeded = () => request.result.createObjectStore("values");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
