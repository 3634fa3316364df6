// What the page's modules speak of. Their comments name these types; `make types` checks both.

type Actions = import("../../../functions/page/actions.js").Actions;
type Client = import("../../../functions/page/api/client.js").Client;
type Database = import("../../../functions/page/store/database.js").Database;
type Pack = import("../../../functions/page/api/pack.js").Pack;
type Problem = import("../../../functions/page/api/client.js").Problem;
type Queue = import("../../../functions/page/store/queue.js").Queue;
type Session = import("../../../functions/page/session/session.js").Session;
type Tasks = import("../../../functions/page/store/tasks.js").Tasks;

type Priority = "low" | "medium" | "high" | "urgent";

/** As the API has it. The id of one that was not sent yet is a text. */
interface Task {
  task_id: number | string;
  title: string;
  description: string | null;
  completed: boolean;
  priority: Priority;
  tags: string[];
  due_at: string | null;
  due_on: string | null;
  time_zone: string;
  reminders: string[] | null;
  snoozed_until: string | null;
  recurrence_pattern: string | null;
  recurrence_paused: boolean;
  series_id: number | null;
  version: number;
  created_at: string;
  updated_at: string;
  completed_at: string | null;
}

type Due = { due_at?: string | null; due_on?: string | null };
type Fields = Record<string, any>;
type Query = { status: string; priority: string; tag: string; text: string; sort: string };

type Kind = "create" | "change" | "complete" | "reopen" | "skip" | "snooze" | "delete";

/** A change on its way. `key` makes it safe to send again, `notBefore` (ms) leaves time to undo. */
interface Write {
  key: string;
  at: number;
  kind: Kind;
  id: number | string;
  version: number | null;
  title: string;
  fields: Fields;
  notBefore: number;
}

type Settings = { issuer: string; clientId: string; scopes: string; userClaim: string; hasPack: boolean };
type Provider = { authorization_endpoint: string; token_endpoint: string; end_session_endpoint?: string };
type Granted = { access_token: string; refresh_token?: string; expires_in?: number };

type CallOptions = { body?: unknown; headers?: Record<string, string>; keepalive?: boolean; signal?: AbortSignal };

/** What a write is about: a task, or one that is to be made. */
type Subject = { task_id: number | string; version: number | null; title: string };

/** The templates of index.html: the element of each, and its parts by their data-part. */
interface Templates {
  landing: { element: HTMLElement; reason: HTMLElement; begin: HTMLButtonElement; wrong: HTMLElement };
  add: { element: HTMLFormElement; title: HTMLInputElement; toggle: HTMLButtonElement; details: HTMLElement };
  fields: {
    element: HTMLElement;
    day: HTMLInputElement;
    time: HTMLInputElement;
    zone: HTMLInputElement;
    priority: HTMLSelectElement;
    reminders: HTMLSelectElement;
    tags: HTMLInputElement;
    pattern: HTMLInputElement;
    dates: HTMLElement;
    description: HTMLTextAreaElement;
  };
  list: { element: HTMLElement; list: HTMLElement; empty: HTMLElement; more: HTMLButtonElement };
  row: {
    element: HTMLElement;
    check: HTMLButtonElement;
    title: HTMLButtonElement;
    notes: HTMLElement;
    marks: HTMLElement;
    edit: HTMLButtonElement;
    remove: HTMLButtonElement;
  };
  editor: {
    element: HTMLFormElement;
    title: HTMLInputElement;
    fields: HTMLElement;
    told: HTMLElement;
    cancel: HTMLButtonElement;
    skip: HTMLButtonElement;
    snooze: HTMLElement;
    remove: HTMLButtonElement;
  };
  filters: {
    element: HTMLElement;
    statuses: HTMLElement;
    text: HTMLInputElement;
    priority: HTMLSelectElement;
    sort: HTMLSelectElement;
    tag: HTMLElement;
  };
  pack: {
    element: HTMLElement;
    heading: HTMLElement;
    said: HTMLElement;
    lists: HTMLElement;
    functions: HTMLElement;
    events: HTMLElement;
    letters: HTMLElement;
  };
  calendar: {
    element: HTMLDialogElement;
    line: HTMLElement;
    address: HTMLInputElement;
    copy: HTMLButtonElement;
    said: HTMLElement;
    make: HTMLButtonElement;
    revoke: HTMLButtonElement;
  };
  conflict: {
    element: HTMLDialogElement;
    heading: HTMLElement;
    said: HTMLElement;
    table: HTMLTableElement;
    rows: HTMLElement;
    leave: HTMLButtonElement;
    keep: HTMLButtonElement;
  };
}

/** What became of a reminder, or will: "ahead", "under way", "later", "sent", "failed" or "ended". */
interface Reminder {
  task_id: number;
  reminder_id: string;
  remind_at: string;
  status: string;
  reason: string | null;
  due_at: string | null;
  channels: Record<string, { outcome: string; detail: string }>;
}

/** A pod as it is now. `start_ms` is null until it is ready. */
type PodShown = { name: string; state: string; created_at: string; start_ms: number | null };

/** A pod as this page saw it last; moments in ms. */
type SeenPod = { function: string; made: number; seen: number; start: number | null };

/** What a function took up: an event, or a call. */
type CommandShown = { at: string; sender: string; function: string; type: string | null; attempts: number; outcome: string };

interface PackShown {
  at: string;
  functions: { function: string; state: string; pods: PodShown[] }[];
  functions_missing: string | null;
  commands: CommandShown[];
  commands_missing: string | null;
}

interface DeadLetter {
  position: string;
  parked_at: string;
  function: string;
  type: string;
  reason: string;
  state: string;
  obstacle: string;
}

type LettersShown = { dead_letters: DeadLetter[]; missing: string | null };
