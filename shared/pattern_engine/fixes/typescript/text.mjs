// What a script writes out: which name is a global, which value a constant stands for, and which text
// an expression is made of. Nothing is computed: a call is not known, whatever it is given.

import { FORBIDDEN_MEMBERS } from "./globals.mjs";
import { bare } from "./places.mjs";

const MAX_CHARACTERS = 65_536;
const MAX_PARTS = 1_000;
/** Methods that put a text together; the last argument is a piece of it. */
const BUILDERS = new Set(["join", "concat", "replace", "replaceAll"]);
/** Functions that make a text which cannot be read in what they are given. */
const DECODERS = new Set(["atob", "decodeURIComponent", "fromCharCode", "fromCodePoint"]);
/** Names that a piece of text could be a piece of. */
const SPELLED = [...FORBIDDEN_MEMBERS].filter((name) => !name.startsWith("__"));

/** Reads the names and texts of one script. `of` is the map from references to bindings of `resolve`. */
export class Texts {
  #of;
  #parts = new Map();

  constructor(of) {
    this.#of = of;
  }

  /** What a name is bound to; undefined for a global. */
  binding(node) {
    return this.#of.get(node) ?? undefined;
  }

  /** Whether an identifier stands for a value: it is no member, key or label. */
  isName(node) {
    return this.#of.has(node);
  }

  isGlobal(node, name) {
    node = bare(node);
    return node?.type === "Identifier" && this.#of.get(node) === null &&
      (name === undefined || node.name === name);
  }

  /** Follows constants to the expression that they stand for. */
  source(node) {
    node = bare(node);
    const value = node?.type === "Identifier" && this.binding(node)?.value;
    return value ? this.source(value) : node;
  }

  /** The whole text of an expression, or undefined where a part of it is not known. */
  whole(node) {
    const parts = this.parts(node);
    return parts.length === 1 && typeof parts[0] === "string" ? parts[0] : undefined;
  }

  /** What a text begins with, and whether that is all of it. */
  beginning(node) {
    const [first] = this.parts(node);
    return { text: typeof first === "string" ? first : "", whole: this.whole(node) !== undefined };
  }

  /** The pieces of a text in their order: strings, and null for each one that is not known. */
  parts(node) {
    node = bare(node);
    if (!node) return [null];
    if (!this.#parts.has(node)) {
      this.#parts.set(node, [null]); // What needs itself is not known.
      this.#parts.set(node, merged(this.#partsOf(node)));
    }
    return this.#parts.get(node);
  }

  #partsOf(node) {
    const { type, operator, property } = node;
    if (type === "Literal") return [node.regex ? null : String(node.value)];
    if (type === "Identifier") return this.parts(this.binding(node)?.value);
    if (type === "BinaryExpression" && operator === "+") {
      return [...this.parts(node.left), ...this.parts(node.right)];
    }
    if (type === "TemplateLiteral") {
      const values = node.expressions.map((one) => this.parts(one));
      return node.quasis.flatMap(({ cooked }, i) => [cooked ?? "", ...(values[i] ?? [])]);
    }
    if (node.callee) return [...this.#partsOfCall(node), null];
    const isAddress = ["href", "origin"].includes(property?.name);
    return isAddress ? [...this.parts(node.object), null] : [null];
  }

  /** Whether a call makes a text out of an unreadable one that stands in the script. */
  isHiding({ callee, arguments: given = [] }) {
    const name = bare(callee).property?.name ?? bare(callee).name;
    // One or two characters are a line's end, not a word.
    const isWord = given.length > 2 || this.whole(given[0])?.length > 2;
    return DECODERS.has(name) && isWord && given.every((one) => this.whole(one) !== undefined);
  }

  /** What the result of a call begins with. */
  #partsOfCall({ callee, arguments: given }) {
    callee = bare(callee);
    if (this.isGlobal(callee, "btoa")) return encoded(this.beginning(given[0]).text);
    if (this.isGlobal(callee, "URL") || this.isGlobal(callee, "String")) {
      const { text } = this.beginning(given[0]);
      // With a base the first argument may be a path.
      return this.parts(given[1] && !/^\s*[a-z][a-z0-9+.-]*:/i.test(text) ? given[1] : given[0]);
    }
    const isSame = callee.type === "MemberExpression" && !callee.computed &&
      ["toString", "concat", "trim"].includes(callee.property.name);
    return isSame ? this.parts(callee.object) : [];
  }

  /** Whether string operations make a key of pieces that a forbidden name could be made of. */
  isSpelled(key) {
    const node = this.source(key);
    const isSum = node.type === "TemplateLiteral" ||
      (node.type === "BinaryExpression" && node.operator === "+");
    if (isSum) {
      const pieces = this.parts(node).filter((one) => one !== "");
      return pieces.length > 1 && pieces.every((one) => one === null || fits(one));
    }
    if (node.type !== "CallExpression") return false;
    const callee = bare(node.callee);
    const name = callee.property?.name ?? callee.name;
    if (callee.type !== "MemberExpression") return false;
    const piece = BUILDERS.has(name) ? this.whole(node.arguments.at(-1)) : undefined;
    if (piece !== undefined && fits(piece)) return true;
    return this.#isWrittenOut(callee.object);
  }

  /** Whether a chain of methods begins with a text or a list that stands in the script. */
  #isWrittenOut(node) {
    node = this.source(node);
    while (node.callee ?? node.object) node = this.source(node.callee ?? node.object);
    return (node.elements ?? [node]).every((one) => this.whole(one) !== undefined);
  }
}

/** Whether a forbidden name could be made of this piece and others. */
const fits = (piece) => SPELLED.some((name) => name.includes(piece));

/** A text in base64, as credentials are written; none for one that has no such form. */
const encoded = (text) => /^[\x00-\xff]*$/.test(text) ? [btoa(text)] : [];

/** Joins strings that follow one another; what is too long is not known. */
function merged(parts) {
  const result = [];
  for (const part of parts) {
    if (typeof part === "string" && typeof result.at(-1) === "string") {
      result.push(result.pop() + part);
    } else if (part !== null || result.at(-1) !== null) {
      result.push(part);
    }
  }
  const isLong = result.length > MAX_PARTS ||
    result.some((one) => one?.length > MAX_CHARACTERS);
  return isLong ? [null] : result;
}
