// The rules that a script is judged by. Each refusal has a stable name and says what to do instead.

import { bare, Constants } from "./constants.mjs";
import { ALLOWED, BORROWED, FORBIDDEN_MEMBERS, insteadOf, NETWORK, RESERVED } from "./globals.mjs";
import { judge } from "./hosts.mjs";
import { endless, endlessRecursion } from "./loops.mjs";
import {
  isBinding,
  isCalled,
  isData,
  isKey,
  isLookedFor,
  isNumericWrite,
  isOnlyTold,
  isPartOfText,
  isTypeTest,
  nameOf,
  outermost,
  pieces,
} from "./places.mjs";
import { isFunction, isWritten, resolve } from "./scopes.mjs";
import { HOLE, nodes, Refusal } from "./tree.mjs";

/** Text of which these are all is a way to a forbidden member. */
const TELLING = new Set(["constructor", "__proto__", "globalThis", "Deno.internal"]);
/** Methods of Object that change what they are given. */
const CHANGING = new Set(["assign", "freeze", "seal", "preventExtensions"]);
const ADDRESS = /^\s*(https?|wss?|ftp|file|data|blob|javascript):/i;

/** Judges a tree: returns `refusals`, `operations`, `destructive` and `literals`. */
export function judgeScript(tree, allowedHosts) {
  const rules = new Rules(tree, allowedHosts);
  rules.run();
  const { refusals, operations, destructive, literals } = rules;
  return { refusals, operations, destructive, literals };
}

class Rules {
  refusals = [];
  operations = [];
  destructive = [];
  /** Texts in the script that may be credentials: `text` and the `name` beside it. */
  literals = [];
  #tree;
  #hosts;
  #names;
  #constants;
  #usesNetwork;

  constructor(tree, allowedHosts) {
    this.#tree = tree;
    this.#hosts = allowedHosts;
    this.#names = resolve(tree);
    this.#constants = new Constants(this.#names.of);
    this.#usesNetwork = this.#names.references.some((id) =>
      this.#constants.isGlobal(id) && NETWORK.has(id.name)
    );
  }

  run() {
    for (const binding of this.#names.bindings) this.#binding(binding);
    for (const id of this.#names.references) this.#reference(id);
    this.#exports();
    for (const node of nodes(this.#tree)) {
      RULES[node.type]?.call(this, node);
      this.text(node);
    }
  }

  refuse(rule, message, node) {
    this.refusals.push(new Refusal(rule, message, node.start));
  }

  #binding(binding) {
    const { name, id } = binding;
    if (RESERVED.has(name)) this.refuse("global", `${name} is no name for a thing of your own`, id);
    const reason = endlessRecursion(binding, this.#constants);
    if (reason) this.refuse("recursion", reason, id);
  }

  #reference(id) {
    if (this.#names.of.get(id) !== null || id.name.startsWith(HOLE)) return;
    if (!ALLOWED.has(id.name)) {
      this.refuse("global", `${id.name} is not allowed: ${insteadOf(id.name)}`, id);
    } else if (isWritten(id)) {
      this.refuse("builtin", `${id.name} is not yours to change: use a name of your own`, id);
    } else if (id.name === "setTimeout" && !isCalled(id)) {
      this.refuse("timer", "setTimeout is only called: do not hand it on", id);
    } else if (NETWORK.has(id.name) && !isCalled(id) && !isTypeTest(id) && !this.#hosts.length) {
      this.refuse("host", "a host is reached: name it in the parameter allowed_hosts", id);
    }
  }

  // Members

  member(node) {
    const { object, property, computed } = node;
    if (property.type === "PrivateIdentifier") return;
    const name = computed ? this.#constants.text(property) : property.name;
    if (name !== undefined) {
      if (FORBIDDEN_MEMBERS.has(name) && !this.#isHarmless(node, name)) {
        this.#refuseMember(name, node);
      }
    } else if (!this.#isNumber(property)) {
      this.#unknownMember(node);
    }
    if (this.#usesNetwork) this.#moved(node, name);
    if (isWritten(node) && this.#isGlobalObject(object)) {
      this.refuse(
        "builtin",
        "the language's own objects are not changed: use a name of your own",
        node,
      );
    }
  }

  #refuseMember(name, node) {
    this.refuse("prototype", `${name} is not allowed: it leads to the code of others`, node);
  }

  /** error.constructor.name, and Object.prototype.hasOwnProperty.call(value, "key"). */
  #isHarmless(node, name) {
    const outer = outermost(node).parent;
    if (outer.type !== "MemberExpression" || outer.computed || isWritten(outer)) return false;
    if (name === "constructor") {
      return outer.property.name === "name" && outermost(outer).heldAs !== "callee";
    }
    if (name !== "prototype" || !BORROWED.has(outer.property.name)) return false;
    const call = outermost(outer).parent;
    const isOwner = ["Object", "Array"].some((one) => this.#constants.isGlobal(node.object, one));
    return isOwner && call.type === "MemberExpression" && !call.computed &&
      call.property.name === "call" && isCalled(call);
  }

  #unknownMember(node) {
    const base = this.#constants.source(node.object);
    const isOfTheLanguage = this.#constants.isGlobal(base) && !isData(base);
    const isValue = isFunction(base) ||
      /^(Class|Template|Literal|Array|Meta|This|Super)/.test(base.type);
    const isOwnList = base.type === "ArrayExpression" && !this.#isCode(node);
    const isOwnText = (base.type === "Literal" || base.type === "TemplateLiteral") &&
      !this.#isCode(node);
    if (isOfTheLanguage || (isValue && !isOwnList && !isOwnText)) {
      this.refuse("member", "a computed member of this could be anything: name the member", node);
    } else if (this.#isCode(node) && !this.#isTable(base)) {
      this.refuse(
        "member",
        "what a computed key finds is not called: use a table of functions",
        node,
      );
    }
  }

  /** Whether a member, or what it is assigned to or returned as, is called. */
  #isCode(node, depth = 0) {
    const outer = outermost(node);
    const { parent, heldAs } = outer;
    if (isCalled(node)) return true;
    if (parent.type === "ReturnStatement" || (isFunction(parent) && heldAs === "body")) {
      return depth < 5 && this.#calls(outer).some((call) => this.#isCode(call, depth + 1));
    }
    if (parent.type === "MemberExpression" && heldAs === "object") {
      if (!parent.computed) {
        return isCalled(parent) && ["call", "apply", "bind"].includes(parent.property.name);
      }
      // table[a][b](…): the second key is judged by itself, with this as its base.
      return false;
    }
    if (parent.type === "VariableDeclarator" && heldAs === "init") {
      const binding = this.#names.bindings.find((one) => one.id === parent.id);
      return binding?.reads.some((id) => isCalled(id)) ?? false;
    }
    if (parent.type === "AssignmentExpression" && heldAs === "right") {
      const binding = this.#constants.binding(parent.left);
      return binding?.reads.some((id) => isCalled(id)) ?? false;
    }
    return false;
  }

  /** The calls that may give what stands in a function: of its name, or of what it is handed to. */
  #calls(node) {
    let own = node.parent;
    while (own && !isFunction(own)) own = own.parent;
    if (own?.heldAs === "arguments") return [own.parent];
    const binding = this.#names.bindings.find((one) => one.value === own);
    return (binding?.reads ?? []).filter((id) => id.heldAs === "callee").map(({ parent }) =>
      parent
    );
  }

  /** An object that is written out in the script, with a function for each key. */
  #isTable(base) {
    return base.type === "ObjectExpression" &&
      base.properties.every((one) => one.type === "Property" && !one.computed);
  }

  #isGlobalObject(node) {
    for (node = bare(node); node.type === "MemberExpression"; node = bare(node.object));
    return this.#constants.isGlobal(node) && !isData(node);
  }

  /** Whether a key is a number for certain: an index. */
  #isNumber(node, depth = 0) {
    node = bare(node);
    if (depth > 20) return false;
    switch (node.type) {
      case "UpdateExpression":
        return true;
      case "UnaryExpression":
        return "+-~".includes(node.operator);
      case "BinaryExpression":
        if (node.operator !== "+") return "-*/%**&|^<<>>>".includes(node.operator);
        return this.#isNumber(node.left, depth + 1) && this.#isNumber(node.right, depth + 1);
      case "MemberExpression":
        return !node.computed && node.property.name === "length";
      case "CallExpression": {
        const callee = bare(node.callee);
        if (this.#constants.isGlobal(callee)) return ["Number", "parseInt"].includes(callee.name);
        return callee.type === "MemberExpression" &&
          this.#constants.isGlobal(callee.object, "Math");
      }
      case "Identifier": {
        const binding = this.#constants.binding(node);
        return Boolean(binding?.init) && this.#isNumber(binding.init, depth + 1) &&
          binding.writes.every(({ parent }) => isNumericWrite(parent));
      }
      default:
        return typeof this.#constants.value(node)?.[0] === "number";
    }
  }

  key(node) {
    const { parent } = node;
    if (node.key.type === "PrivateIdentifier") return;
    const name = node.computed
      ? this.#constants.text(node.key)
      : node.key.name ?? String(node.key.value);
    const isConstructor = name === "constructor" && parent.type === "ClassBody" && !node.computed;
    if (FORBIDDEN_MEMBERS.has(name) && !isConstructor) this.#refuseMember(name, node);
    if (name === undefined && parent.type === "ObjectPattern" && !this.#isNumber(node.key)) {
      const id = node.value.left ?? node.value;
      const binding = this.#names.bindings.find((one) => one.id === id);
      if (binding?.reads.some((read) => isCalled(read))) {
        this.refuse(
          "member",
          "what a computed key finds is not called: use a table of functions",
          node,
        );
      }
    }
  }

  thisExpression(node) {
    let holder = node.parent;
    while (
      holder &&
      !["FunctionDeclaration", "FunctionExpression", "PropertyDefinition", "StaticBlock"].includes(
        holder.type,
      )
    ) {
      holder = holder.parent;
    }
    const isOwn = holder &&
      (holder.type === "PropertyDefinition" || holder.type === "StaticBlock" ||
        ["MethodDefinition", "Property"].includes(holder.parent.type));
    const { parent, heldAs } = outermost(node);
    const isPlain = (parent.type === "MemberExpression" && heldAs === "object") ||
      parent.type === "ReturnStatement" ||
      (parent.type === "BinaryExpression" && parent.operator === "in");
    if (!isOwn || !isPlain) {
      this.refuse(
        "this",
        "this is only for members of your own classes and objects: name the object",
        node,
      );
    }
  }

  // Calls

  call(node) {
    const callee = bare(node.callee ?? node.tag);
    if (this.#isMadeUp(callee)) {
      this.refuse(
        "member",
        "what this call returns could be any function: name the function",
        node,
      );
    }
    const name = this.#constants.isGlobal(callee) ? callee.name : undefined;
    if (name === "setTimeout") this.#timer(node);
    if (NETWORK.has(name)) this.#reach(node, name);
    if (name === "URL" && this.#usesNetwork) this.#address(node);
    const isChange = callee.type === "MemberExpression" && CHANGING.has(callee.property.name) &&
      this.#constants.isGlobal(callee.object, "Object");
    const [target] = node.arguments ?? [];
    if (isChange && target && this.#isGlobalObject(target)) {
      this.refuse(
        "builtin",
        "the language's own objects are not changed: use a name of your own",
        node,
      );
    }
  }

  /** Whether what is called was returned by a function that is not plainly one of the script's. */
  #isMadeUp({ type, callee }) {
    if (type !== "CallExpression") return false;
    const maker = bare(callee);
    const isMethod = maker.type === "MemberExpression" && !maker.computed;
    return !isMethod && !isFunction(this.#constants.source(maker));
  }

  #timer(node) {
    const [first] = node.arguments ?? [];
    const handler = this.#constants.source(first);
    const isText = !handler || this.#constants.value(handler) !== undefined ||
      ["TemplateLiteral", "BinaryExpression", "SpreadElement", "Literal"].includes(handler.type) ||
      (handler.type === "CallExpression" && !isBinding(handler)) ||
      (handler.type === "MemberExpression" && this.#isData(handler));
    if (isText) this.refuse("timer", "setTimeout takes a function, never text", node);
  }

  /** Whether a member is of the parameters or the error, which hold text. */
  #isData(node) {
    for (node = bare(node); node.type === "MemberExpression"; node = bare(node.object));
    return node.type === "Identifier" && isData(node);
  }

  #reach(node, name) {
    const [first] = node.arguments ?? [];
    if (!first || first.type === "SpreadElement") {
      return this.refuse("host", `${name} needs a URL that can be read`, node);
    }
    const source = this.#constants.source(first);
    const isRequest = source.type === "NewExpression" &&
      this.#constants.isGlobal(source.callee, "Request");
    const { host, problem } = isRequest
      ? { host: null, problem: null }
      : judge(this.#constants.prefix(first), this.#hosts);
    if (problem) this.refuse("host", problem, node);
    if (host) this.#note(node, name, host);
  }

  #note(node, name, host) {
    const method = this.#option(node.arguments[1], "method")?.toUpperCase() ?? "GET";
    const verb = method === "GET" || name.endsWith("S") || !["fetch", "Request"].includes(name)
      ? "fetch"
      : method;
    const operation = `${verb} ${host}`;
    this.operations.push(operation);
    if (verb === "DELETE") this.destructive.push(operation);
  }

  #option(node, name) {
    const options = this.#constants.source(node);
    if (options?.type !== "ObjectExpression") return undefined;
    const found = options.properties.findLast((one) => (one.key?.name ?? one.key?.value) === name);
    return found && this.#constants.text(found.value);
  }

  /** A URL that is put together of a base and a path. */
  #address({ arguments: given }) {
    for (const part of given.slice(0, 2)) {
      const known = this.#constants.prefix(part);
      if (/^\s*[\\/]{2}/.test(known.text)) {
        this.#judgeAddress({ ...known, text: `https:${known.text.trim()}` }, part);
      }
      if (ADDRESS.test(known.text)) this.#judgeAddress(known, part);
    }
  }

  /** url.host = "…", which makes another address of a URL. */
  #moved({ object, parent, heldAs }, name) {
    const url = this.#constants.source(object);
    const isUrl = url.type === "NewExpression" && this.#constants.isGlobal(url.callee, "URL");
    if (!isUrl || heldAs !== "left" || parent.type !== "AssignmentExpression") return;
    const { text, whole } = this.#constants.prefix(parent.right);
    if (name === "href") this.#judgeAddress({ text, whole }, parent);
    if (["host", "hostname"].includes(name)) {
      this.#judgeAddress({ text: `https://${text}`, whole }, parent);
    }
  }

  #judgeAddress(known, node) {
    const { problem } = judge(known, this.#hosts);
    if (problem) this.refuse("host", problem, node);
  }

  // Text

  /** Looks at a text where it is not part of a longer one. */
  text(node) {
    const isText = node.type === "TemplateLiteral" ||
      (node.type === "Literal" && typeof node.value === "string" && !node.regex) ||
      (node.type === "BinaryExpression" && node.operator === "+");
    if (!isText || isPartOfText(node) || isKey(node)) return;
    const whole = this.#constants.text(node);
    if (TELLING.has(whole) && !isLookedFor(node)) {
      this.refuse(
        "prototype",
        `the text ${whole} is not allowed: it leads to the code of others`,
        node,
      );
    }
    this.literals.push({ text: whole ?? pieces(node), name: nameOf(node), position: node.start });
    const known = this.#constants.prefix(node);
    if (this.#usesNetwork && ADDRESS.test(known.text) && !isOnlyTold(node) && !isLookedFor(node)) {
      this.#judgeAddress(known, node);
    }
  }

  // Statements

  loop(node) {
    const reason = endless(node, this.#constants);
    if (reason) this.refuse("loop", reason, node);
  }

  exported(node) {
    if (node.source) this.refuse("import", "export from is not allowed: a fix is one file", node);
  }

  /** A module that exports, but no function to run, would succeed by doing nothing. */
  #exports() {
    const given = this.#tree.body.filter(({ type, exportKind, declaration }) =>
      type === "ExportDefaultDeclaration" ||
      (type === "ExportNamedDeclaration" && exportKind !== "type" &&
        declaration?.type !== "EmptyStatement")
    );
    const hasDefault = given.some(({ type, specifiers = [] }) =>
      type === "ExportDefaultDeclaration" ||
      specifiers.some(({ exported }) => (exported.name ?? exported.value) === "default")
    );
    if (
      given.some(({ declaration, specifiers }) => declaration || specifiers.length) && !hasDefault
    ) {
      this.refuse("export", "nothing of this would run: export default the function", given[0]);
    }
  }

  returned(node) {
    for (let outer = node.parent; outer; outer = outer.parent) if (isFunction(outer)) return;
    this.refuse(
      "syntax",
      "return outside of a function: export default a function to answer",
      node,
    );
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
  ThisExpression: own.thisExpression,
  WhileStatement: own.loop,
  DoWhileStatement: own.loop,
  ForStatement: own.loop,
  ForOfStatement: own.loop,
  ExportNamedDeclaration: own.exported,
  ReturnStatement: own.returned,
};
