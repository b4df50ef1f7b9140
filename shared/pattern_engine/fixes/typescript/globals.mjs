// The globals that a script may use. All others are refused.

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
  fetch Headers Request Response FormData Blob URL URLSearchParams
  AbortController AbortSignal Event EventTarget CustomEvent
  TextEncoder TextDecoder ArrayBuffer DataView
  Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array
  Float16Array Float32Array Float64Array BigInt64Array BigUint64Array
`);

/** Names that a script may not declare, because a reader would take them for the globals. */
export const RESERVED = list(`
  Deno globalThis window global eval Function AsyncFunction GeneratorFunction
  require Buffer importScripts Worker SharedWorker WebAssembly Proxy Reflect
  SharedArrayBuffer Atomics arguments setInterval localStorage sessionStorage indexedDB caches
  BroadcastChannel navigator XMLHttpRequest
`);

/** Members that a script may use of no object, because they give access to built-in code. */
export const FORBIDDEN_MEMBERS = list(`
  constructor prototype __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__
  getPrototypeOf setPrototypeOf defineProperty defineProperties getOwnPropertyDescriptor
  getOwnPropertyDescriptors getOwnPropertyNames getOwnPropertySymbols prepareStackTrace
  Deno globalThis eval Function AsyncFunction GeneratorFunction WebAssembly importScripts createObjectURL
`);

/** Globals that reach a host, with the position of the URL among their arguments. */
export const NETWORK = list("fetch Request");

/** What to do instead of using a global. */
const INSTEAD = {
  Deno: "a fix has no access to the system: use fetch and the parameters",
  Function: "code may not be made from text: write the function out",
  eval: "code may not be made from text: write the code out",
  require: "a fix is one file without libraries: write the code out",
  setInterval: "a fix has to end: repeat with a counted for loop and await",
  process: "a fix has no environment: use the parameters",
  Buffer: "use TextEncoder, atob and btoa",
  Proxy: "use a plain object or a function",
  Reflect: "use plain member access",
  arguments: "use rest parameters",
  localStorage: "nothing is kept between runs: store data through fetch",
  XMLHttpRequest: "use fetch",
  WebSocket: "use fetch",
  EventSource: "use fetch",
};

export function insteadOf(name) {
  return INSTEAD[name] ?? "a fix has the standard objects of the language, fetch, params and error";
}
