// The rules for scripts. Each refusal has a stable name and says what to write instead.

import { ALLOWED, FORBIDDEN_MEMBERS, insteadOf, NETWORK, RESERVED } from "./globals.mjs";
import { judgeUrl } from "./hosts.mjs";
import { endless } from "./loops.mjs";
import {
  bare,
  isCalled,
  isData,
  isKey,
  isLookedFor,
  isOnlyTold,
  isPartOfText,
  isTypeTest,
  nameOf,
  outermost,
  rootOf,
} from "./places.mjs";
import { isFunction, isWritten, resolve } from "./scopes.mjs";
import { Texts } from "./text.mjs";
import { HOLE, nodes, Refusal } from "./tree.mjs";

/** Texts that name a forbidden member. */
const TELLING = new Set(["constructor", "__proto__", "globalThis", "Deno.internal"]);
/** Methods of Object that change their argument. */
const CHANGING = new Set(["assign", "freeze", "seal", "preventExtensions"]);
/** Kinds of nodes that are no function, as an argument of setTimeout. */
const TEXTS = new Set("Literal TemplateLiteral BinaryExpression SpreadElement".split(" "));
const NOT_YOURS = "a fix may not change built-in objects: use an object of its own";
const SPELLED = "string operations compute this key: write the key out, or use a Map";
const CALLED = "a member with a computed key may not be called: use a table of functions";
const MADE_UP = "the result of a call may not be called: call a named function";
const ADDRESS = /^\s*(https?|wss?|ftp|file|data|blob|javascript):/i;

/** Judges a tree: returns `refusals`, `operations`, `destructive` and `literals`. */
export function judge(tree, allowedHosts) {
  return { ...new Rules(tree, allowedHosts) };
}

class Rules {
  refusals = [];
  operations = [];
  destructive = [];
  /** Texts in the script that may be credentials: each `text` with its `name`. */
  literals = [];
  #hosts;
  #texts;
  #usesNetwork;

  constructor(tree, allowedHosts) {
    const { bindings, of } = resolve(tree);
    const globals = [...of.keys()].filter((id) => of.get(id) === null);
    this.#hosts = allowedHosts;
    this.#texts = new Texts(of);
    this.#usesNetwork = globals.some(({ name }) => NETWORK.has(name));
    for (const binding of bindings) this.#binding(binding);
    for (const id of globals) this.#global(id);
    this.#exports(tree);
    for (const node of nodes(tree)) {
      RULES[node.type]?.call(this, node);
      this.text(node);
    }
  }

  refuse(rule, message, node) {
    this.refusals.push(new Refusal(rule, message, node.start));
  }

  #binding({ name, id }) {
    if (RESERVED.has(name)) this.refuse("global", `the name ${name} is reserved: use another`, id);
  }

  #global(id) {
    if (id.name.startsWith(HOLE)) return;
    if (!ALLOWED.has(id.name)) {
      this.refuse("global", `${id.name} is not allowed: ${insteadOf(id.name)}`, id);
    } else if (isWritten(id)) {
      this.refuse("builtin", `a fix may not assign the global ${id.name}: use another name`, id);
    } else if (id.name === "setTimeout" && !isCalled(id)) {
      this.refuse("timer", "setTimeout may only be called, not passed on: call it directly", id);
    } else if (NETWORK.has(id.name) && !isCalled(id) && !isTypeTest(id) && !this.#hosts.length) {
      this.refuse("host", "name the hosts that it reaches in the parameter allowed_hosts", id);
    }
  }

  // Members

  member(node) {
    const { object, property, computed } = node;
    if (property.type === "PrivateIdentifier") return;
    const name = computed ? this.#texts.whole(property) : property.name;
    if (name === undefined) this.#unknownMember(node);
    else if (FORBIDDEN_MEMBERS.has(name) && !this.#isHarmless(node, name)) {
      this.#refuseMember(name, node);
    }
    if (this.#usesNetwork) this.#moved(node, name);
    if (isWritten(node) && this.#isGlobalObject(object)) this.refuse("builtin", NOT_YOURS, node);
  }

  #refuseMember(name, node) {
    this.refuse("prototype", `${name} is not allowed: it gives access to built-in code`, node);
  }

  /** error.constructor.name, and Object.prototype.hasOwnProperty.call(value, "key"). */
  #isHarmless(node, name) {
    const outer = outermost(node).parent;
    if (outer.type !== "MemberExpression" || outer.computed || isWritten(outer)) return false;
    if (name === "constructor") {
      return outer.property.name === "name" && outermost(outer).heldAs !== "callee";
    }
    const { parent: call } = outermost(outer);
    return name === "prototype" && this.#isGlobalObject(node.object) &&
      call.property?.name === "call" && !call.computed && isCalled(call);
  }

  /** A key that is known only when the script runs: x[key]. */
  #unknownMember(node) {
    const { property } = node;
    if (this.#texts.isSpelled(property)) return this.refuse("member", SPELLED, node);
    const base = this.#texts.source(node.object);
    const isHandedOn = node.heldAs === "object" &&
      /^(call|apply|bind)$/.test(node.parent.property.name) && isCalled(node.parent);
    const isCode = isCalled(node) || isHandedOn;
    const isOfOthers = isFunction(base) || this.#isGlobalObject(base) || this.#isData(base);
    if (isCode && isOfOthers) this.refuse("member", CALLED, node);
  }

  /** Whether this is, or belongs to, an object of the language. */
  #isGlobalObject(node) {
    const root = rootOf(node);
    return this.#texts.isGlobal(root) && !isData(root);
  }

  /** Whether this is, or belongs to, the parameters or the error. */
  #isData(node) {
    const root = rootOf(node);
    return root.type === "Identifier" && isData(root);
  }

  key(node) {
    const { parent } = node;
    if (node.key.type === "PrivateIdentifier") return;
    const name = node.computed
      ? this.#texts.whole(node.key)
      : node.key.name ?? String(node.key.value);
    const isConstructor = name === "constructor" && parent.type === "ClassBody" && !node.computed;
    if (FORBIDDEN_MEMBERS.has(name) && !isConstructor) this.#refuseMember(name, node);
    const isTaken = name === undefined && parent.type === "ObjectPattern";
    if (isTaken && this.#texts.isSpelled(node.key)) this.refuse("member", SPELLED, node);
  }

  // Calls

  call(node) {
    const callee = bare(node.callee ?? node.tag);
    if (this.#isMadeUp(callee)) this.refuse("member", MADE_UP, node);
    if (!node.tag && this.#texts.isHiding(node)) {
      this.refuse("hidden", "the script encodes a text: write the text in the clear", node);
    }
    const name = this.#texts.isGlobal(callee) ? callee.name : undefined;
    if (name === "setTimeout") this.#timer(node);
    if (NETWORK.has(name)) this.#reach(node, name);
    if (name === "URL" && this.#usesNetwork) this.#address(node);
    const isChange = callee.type === "MemberExpression" && CHANGING.has(callee.property.name) &&
      this.#texts.isGlobal(callee.object, "Object");
    const [target] = node.arguments ?? [];
    if (isChange && target && this.#isGlobalObject(target)) this.refuse("builtin", NOT_YOURS, node);
  }

  /** Whether the callee is the result of a function that may not be one of the script's own. */
  #isMadeUp({ type, callee }) {
    if (type !== "CallExpression") return false;
    const maker = bare(callee);
    const isMethod = maker.type === "MemberExpression" && !maker.computed;
    return !isMethod && !isFunction(this.#texts.source(maker));
  }

  #timer(node) {
    const [first] = node.arguments ?? [];
    const handler = this.#texts.source(first);
    const isText = !handler || TEXTS.has(handler.type) || this.#isData(handler);
    if (isText) this.refuse("timer", "setTimeout takes a function, not text", node);
  }

  #reach(node, name) {
    const [first, options] = node.arguments ?? [];
    if (!first || first.type === "SpreadElement") {
      return this.refuse("host", `write the URL of ${name} as a text in the script`, node);
    }
    const source = this.#texts.source(first);
    // The request was checked where it is made.
    if (source.type === "NewExpression" && this.#texts.isGlobal(source.callee, "Request")) return;
    const { host, problem } = judgeUrl(this.#texts.beginning(first), this.#hosts);
    if (problem) this.refuse("host", problem, node);
    const method = /^(fetch|Request)$/.test(name) && this.#option(options, "method");
    const verb = (method || "GET").toUpperCase();
    const operation = `${verb === "GET" ? "fetch" : verb} ${host}`;
    this.operations.push(operation);
    if (verb === "DELETE") this.destructive.push(operation);
  }

  #option(node, name) {
    const options = this.#texts.source(node);
    const found = options?.properties?.findLast(({ key }) => (key?.name ?? key?.value) === name);
    return found && this.#texts.whole(found.value);
  }

  /** new URL("//host", base), of which the first argument names the host. */
  #address({ arguments: [path] }) {
    const { text, whole } = this.#texts.beginning(path);
    if (!/^\s*[\\/]{2}/.test(text)) return;
    this.#judgeAddress({ text: `https:${text.trim()}`, whole }, path);
  }

  /** url.host = "…", which makes another address of a URL. */
  #moved({ object, parent, heldAs }, name) {
    const url = this.#texts.source(object);
    const isUrl = url.type === "NewExpression" && this.#texts.isGlobal(url.callee, "URL");
    if (!isUrl || heldAs !== "left" || !["host", "hostname"].includes(name)) return;
    const { text, whole } = this.#texts.beginning(parent.right);
    this.#judgeAddress({ text: `https://${text}`, whole }, parent);
  }

  #judgeAddress(known, node) {
    const { problem } = judgeUrl(known, this.#hosts);
    if (problem) this.refuse("host", problem, node);
  }

  // Text

  /** Checks a text that is not part of a longer one. */
  text(node) {
    const isText = node.type === "TemplateLiteral" ||
      (node.type === "Literal" && typeof node.value === "string" && !node.regex) ||
      (node.type === "BinaryExpression" && node.operator === "+");
    if (!isText || isPartOfText(node) || isKey(node)) return;
    const whole = this.#texts.whole(node);
    if (TELLING.has(whole) && !isLookedFor(node)) this.#refuseMember(`the text ${whole}`, node);
    const shown = this.#texts.parts(node).map((one) => one ?? "${…}").join("");
    this.literals.push({ text: shown, name: nameOf(node), position: node.start });
    const known = this.#texts.beginning(node);
    if (this.#usesNetwork && ADDRESS.test(known.text) && !isOnlyTold(node) && !isLookedFor(node)) {
      this.#judgeAddress(known, node);
    }
  }

  // Statements

  loop(node) {
    const reason = endless(node, this.#texts);
    if (reason) this.refuse("loop", reason, node);
  }

  /** A module that exports, but no function to run, would succeed by doing nothing. */
  #exports({ body }) {
    const isDefault = ({ exported }) => (exported.name ?? exported.value) === "default";
    const hasDefault = body.some(({ type, specifiers }) =>
      type === "ExportDefaultDeclaration" || specifiers?.some(isDefault)
    );
    const other = body.find(({ type, exportKind, declaration, specifiers }) =>
      type === "ExportNamedDeclaration" && exportKind !== "type" &&
      (declaration ? declaration.type !== "EmptyStatement" : specifiers.length > 0)
    );
    if (hasDefault || !other) return;
    this.refuse("export", "nothing of this would run: export default the function", other);
  }
}

const { prototype: own } = Rules;
const RULES = {
  CallExpression: own.call,
  NewExpression: own.call,
  TaggedTemplateExpression: own.call,
  MemberExpression: own.member,
  Property: own.key,
  MethodDefinition: own.key,
  PropertyDefinition: own.key,
  WhileStatement: own.loop,
  DoWhileStatement: own.loop,
  ForStatement: own.loop,
};
