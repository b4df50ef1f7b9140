// What a script may name. Everything else is refused.

const list = (text) => new Set(text.trim().split(/\s+/));

/** Globals that a fix may use. */
export const ALLOWED = list(`
  params error undefined NaN Infinity console
  Object Array Map Set WeakMap WeakSet String Number Boolean BigInt Symbol Date RegExp Math JSON Intl
  Promise Iterator
  Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError DOMException
  parseInt parseFloat isNaN isFinite
  encodeURIComponent decodeURIComponent encodeURI decodeURI atob btoa structuredClone
  setTimeout clearTimeout queueMicrotask performance crypto
  fetch Headers Request Response FormData Blob URL URLSearchParams WebSocket EventSource
  AbortController AbortSignal Event EventTarget CustomEvent
  TextEncoder TextDecoder ArrayBuffer DataView
  Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array
  Float16Array Float32Array Float64Array BigInt64Array BigUint64Array
`);

/** Names that a script may not even give to something of its own: a reader must not be misled. */
export const RESERVED = list(`
  Deno globalThis window global eval Function AsyncFunction GeneratorFunction
  require Buffer importScripts Worker SharedWorker WebAssembly Proxy Reflect
  SharedArrayBuffer Atomics arguments setInterval localStorage sessionStorage indexedDB caches
  BroadcastChannel navigator XMLHttpRequest
`);

/** Members that no script may touch, of whatever object: they lead to the code of others. */
export const FORBIDDEN_MEMBERS = list(`
  constructor prototype __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__
  getPrototypeOf setPrototypeOf defineProperty defineProperties getOwnPropertyDescriptor
  getOwnPropertyDescriptors getOwnPropertyNames getOwnPropertySymbols prepareStackTrace
  Deno globalThis eval Function AsyncFunction GeneratorFunction WebAssembly importScripts createObjectURL
`);

/** Globals that reach a host, with the place of the URL among what they are given. */
export const NETWORK = list("fetch Request WebSocket EventSource");

/** What to do instead of using a global. */
const INSTEAD = {
  Deno: "a fix has no access to the system: use fetch and the parameters",
  Function: "code is never made from text",
  eval: "code is never made from text",
  require: "a fix is one file, without libraries",
  setInterval: "a fix ends: repeat with a counted for loop and await",
  process: "there is no environment: use the parameters",
  Buffer: "use TextEncoder, atob and btoa",
  Proxy: "use a plain object or a function",
  Reflect: "use plain member access",
  arguments: "use rest parameters",
  localStorage: "nothing is kept from run to run",
  XMLHttpRequest: "use fetch",
};

export function insteadOf(name) {
  return INSTEAD[name] ?? "a fix has the standard objects of the language, fetch, params and error";
}
