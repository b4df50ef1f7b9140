// What an expression is known to be without running the script: the value of what is made of
// literals, constants and plain methods of strings. Nothing of the script is executed here; each
// operation is one of those listed, on values of bounded size.

import { isWritten } from "./scopes.mjs";

const MOST_CHARACTERS = 65_536;
const MOST_STEPS = 200_000;

/** No clock and no length gets there. */
const MOST_COUNTED = 1e15;

const BINARY = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "**": (a, b) => a ** b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "==": (a, b) => a == b,
  "!=": (a, b) => a != b,
  "===": (a, b) => a === b,
  "!==": (a, b) => a !== b,
  "|": (a, b) => a | b,
  "&": (a, b) => a & b,
  "^": (a, b) => a ^ b,
  "<<": (a, b) => a << b,
  ">>": (a, b) => a >> b,
  ">>>": (a, b) => a >>> b,
};
const UNARY = {
  "!": (a) => !a,
  "-": (a) => -a,
  "+": (a) => +a,
  "~": (a) => ~a,
  "void": () => undefined,
  "typeof": (a) => typeof a,
};
const STRING_METHODS = new Set(
  "at charAt concat padEnd padStart repeat replace replaceAll slice split substring substr toLowerCase toString toUpperCase trim trimEnd trimStart valueOf"
    .split(" "),
);
const LIST_METHODS = new Set("at concat join reverse slice toReversed toString flat".split(" "));
const FUNCTIONS = { String, Number, Boolean, parseInt, parseFloat, atob, btoa, decodeURIComponent };
const GLOBALS = { undefined, NaN, Infinity };
const WRAPPERS = new Set([
  "ChainExpression",
  "TSAsExpression",
  "TSInstantiationExpression",
  "TSNonNullExpression",
  "TSSatisfiesExpression",
  "TSTypeAssertion",
]);
const TRUE_OBJECTS = new Set([
  "ArrayExpression",
  "ArrowFunctionExpression",
  "ClassExpression",
  "FunctionExpression",
  "NewExpression",
  "ObjectExpression",
]);

/** The expression itself, without casts and optional chains around it. */
export function bare(node) {
  while (WRAPPERS.has(node?.type)) node = node.expression;
  return node;
}

/** Whether a list or an object that a name stands for may be changed: it is more than looked at. */
function isChanged({ reads }) {
  return reads.some((id) => {
    const member = id.parent;
    if (member.type === "SpreadElement") return false;
    if (member.type !== "MemberExpression" || id.heldAs !== "object") return true;
    const use = member.parent;
    if (use.type === "CallExpression" && member.heldAs === "callee") {
      return !["at", "concat", "includes", "join", "map", "slice"].includes(member.property.name);
    }
    return isWritten(member);
  });
}

/** Answers what expressions are. `of` is the map from references to bindings of `resolve`. */
export class Constants {
  #of;
  #known = new Map();
  #steps = 0;

  constructor(of) {
    this.#of = of;
  }

  /** What a name is bound to for good; undefined if that is not known. */
  binding(node) {
    return this.#of.get(node) ?? undefined;
  }

  isGlobal(node, name) {
    node = bare(node);
    return node?.type === "Identifier" && this.#of.get(node) === null &&
      (name === undefined || node.name === name);
  }

  /** Follows constants to the expression that they stand for. */
  source(node) {
    node = bare(node);
    for (let hops = 0; hops < 20 && node?.type === "Identifier"; hops++) {
      const value = this.binding(node)?.value;
      if (!value) return node;
      node = bare(value);
    }
    return node;
  }

  /** `[value]` of an expression that always has it, else undefined. Values: primitives, lists. */
  value(node) {
    node = bare(node);
    if (!node) return undefined;
    if (!this.#known.has(node)) {
      this.#known.set(node, undefined); // What needs itself is not known.
      this.#known.set(node, this.#bounded(node));
    }
    return this.#known.get(node);
  }

  /** A string, where an expression is one or is used as one: a key, a URL. */
  text(node) {
    const known = this.value(node);
    if (known === undefined) return undefined;
    try {
      return String(known[0]);
    } catch {
      return undefined;
    }
  }

  /** What a string begins with, and whether that is all of it. */
  prefix(node, depth = 0) {
    const text = this.text(node);
    if (text !== undefined) return { text, whole: true };
    node = bare(node);
    let parts = [];
    if (depth > 50 || !node) return { text: "", whole: false };
    if (node.type === "TemplateLiteral") {
      parts = node.quasis.flatMap((quasi, i) => [quasi.cooked ?? "", node.expressions[i]]);
    } else if (node.type === "BinaryExpression" && node.operator === "+") {
      parts = [node.left, node.right];
    } else if (node.type === "Identifier" && this.binding(node)?.value) {
      parts = [this.binding(node).value];
    } else if (
      node.type === "MemberExpression" && ["href", "origin"].includes(node.property.name)
    ) {
      parts = [node.object];
    } else if (node.type === "CallExpression" || node.type === "NewExpression") {
      parts = this.#partsOfCall(node);
    }
    let result = "";
    for (const part of parts.filter((one) => one !== undefined)) {
      const known = typeof part === "string"
        ? { text: part, whole: true }
        : this.prefix(part, depth + 1);
      result += known.text;
      if (!known.whole) break;
    }
    return { text: result, whole: false };
  }

  #partsOfCall({ callee, arguments: given }) {
    callee = bare(callee);
    if (this.isGlobal(callee, "URL") || this.isGlobal(callee, "String")) {
      const first = this.prefix(given[0]);
      // With a base the first part may be a path.
      return given[1] && !/^\s*[a-z][a-z0-9+.-]*:/i.test(first.text) ? [given[1], "/"] : [given[0]];
    }
    if (callee.type === "MemberExpression" && !callee.computed) {
      if (["toString", "concat", "trim", "replace", "replaceAll"].includes(callee.property.name)) {
        return [callee.object];
      }
    }
    return [];
  }

  /** Whether a condition is always true, always false, or undefined for not known. */
  truth(node) {
    node = bare(node);
    const known = this.value(node);
    if (known !== undefined) return Boolean(known[0]);
    if (TRUE_OBJECTS.has(node.type) || (node.type === "Literal" && node.regex)) return true;
    switch (node.type) {
      case "Identifier":
        return TRUE_OBJECTS.has(this.source(node)?.type) ? true : undefined;
      case "UnaryExpression": {
        if (node.operator === "typeof") return true;
        if (node.operator === "void") return false;
        const truth = node.operator === "!" ? this.truth(node.argument) : undefined;
        return truth === undefined ? undefined : !truth;
      }
      case "LogicalExpression":
        return this.#truthOfLogical(node);
      case "ConditionalExpression": {
        const [one, other] = [this.truth(node.consequent), this.truth(node.alternate)];
        return one === other ? one : undefined;
      }
      case "SequenceExpression":
        return this.truth(node.expressions.at(-1));
      case "AssignmentExpression":
        return node.operator === "=" ? this.truth(node.right) : undefined;
      case "AwaitExpression":
        return this.truth(node.argument);
      case "BinaryExpression":
        return this.#truthOfComparison(node);
      default:
        return undefined;
    }
  }

  #truthOfLogical({ operator, left, right }) {
    const [one, other] = [this.truth(left), this.truth(right)];
    if (operator === "||") {
      if (one === true || other === true) return true;
      return one === false ? other : undefined;
    }
    if (operator === "&&") {
      if (one === false || other === false) return false;
      return one === true ? other : undefined;
    }
    return one === true ? true : undefined;
  }

  /** Comparisons of a name with itself, and with infinity. */
  #truthOfComparison({ operator, left, right }) {
    [left, right] = [bare(left), bare(right)];
    const isSame = left.type === "Identifier" && right.type === "Identifier" &&
      left.name === right.name;
    if (isSame) {
      if (["===", "==", "<=", ">="].includes(operator)) return true;
      if (["!==", "!=", "<", ">"].includes(operator)) return false;
    }
    const bound = this.value(right)?.[0];
    const other = this.value(left)?.[0];
    if (this.#isCount(left)) {
      if (operator === ">=" && bound <= 0 || operator === ">" && bound < 0) return true;
      if (["<", "<=", "!=", "!=="].includes(operator) && bound > MOST_COUNTED) return true;
    }
    if (["<", "<=", "!==", "!="].includes(operator) && bound === Infinity) return true;
    if ([">", ">=", "!==", "!="].includes(operator) && bound === -Infinity) return true;
    if ([">", ">=", "!==", "!="].includes(operator) && other === Infinity) return true;
    return undefined;
  }

  /** Whether an expression is a number that is never negative, and never beyond all counting. */
  #isCount(node) {
    if (node.type === "MemberExpression") return !node.computed && node.property.name === "length";
    return node.type === "CallExpression" &&
      [["Date", "now"], ["performance", "now"], ["Math", "random"]].some((name) =>
        this.#isMember(node.callee, ...name)
      );
  }

  #bounded(node) {
    if (++this.#steps > MOST_STEPS) return undefined;
    let known;
    try {
      known = this.#compute(node);
    } catch (failure) {
      if (failure instanceof RangeError && /call stack/.test(failure.message)) throw failure;
      return undefined; // As 1n + 1 throws.
    }
    const value = known?.[0];
    const size = typeof value === "string" || Array.isArray(value) ? value.length : 0;
    return size > MOST_CHARACTERS ? undefined : known;
  }

  #compute(node) {
    switch (node.type) {
      case "Literal":
        return node.regex ? undefined : [node.bigint ? BigInt(node.value) : node.value];
      case "Identifier":
        return this.#name(node);
      case "TemplateLiteral": {
        const values = this.#all(node.expressions);
        return values && [
          node.quasis.map((quasi, i) => quasi.cooked + (i in values ? String(values[i]) : "")).join(
            "",
          ),
        ];
      }
      case "UnaryExpression": {
        const [operand] = this.value(node.argument) ?? [];
        const isKnown = this.value(node.argument) !== undefined;
        return UNARY[node.operator] && isKnown ? [UNARY[node.operator](operand)] : undefined;
      }
      case "BinaryExpression": {
        const values = this.#all([node.left, node.right]);
        return values && BINARY[node.operator] && [BINARY[node.operator](...values)];
      }
      case "LogicalExpression": {
        const left = this.value(node.left);
        if (left === undefined) return undefined;
        const isLeft = { "||": left[0], "&&": !left[0], "??": left[0] != null }[node.operator];
        return isLeft ? left : this.value(node.right);
      }
      case "ConditionalExpression": {
        const truth = this.truth(node.test);
        return truth === undefined
          ? undefined
          : this.value(truth ? node.consequent : node.alternate);
      }
      case "SequenceExpression":
        return this.value(node.expressions.at(-1));
      case "AwaitExpression":
        return this.value(node.argument);
      case "AssignmentExpression":
        return node.operator === "=" ? this.value(node.right) : undefined;
      case "ArrayExpression": {
        const values = this.#all(node.elements);
        return values && [values];
      }
      case "MemberExpression":
        return this.#member(node);
      case "CallExpression":
        return this.#call(node);
      case "TaggedTemplateExpression":
        return this.#isMember(node.tag, "String", "raw") && node.quasi.expressions.length === 0
          ? [node.quasi.quasis[0].raw]
          : undefined;
      default:
        return undefined;
    }
  }

  #name(node) {
    if (this.isGlobal(node)) return node.name in GLOBALS ? [GLOBALS[node.name]] : undefined;
    const binding = this.binding(node);
    if (!binding?.value) return undefined;
    const known = this.value(binding.value);
    return Array.isArray(known?.[0]) && isChanged(binding) ? undefined : known;
  }

  #member({ object, property, computed }) {
    if (!computed && this.isGlobal(object, "Number")) {
      const value = Number[property.name];
      return typeof value === "number" ? [value] : undefined;
    }
    const holder = this.value(object)?.[0];
    const key = computed ? this.text(property) : property.name;
    if (typeof holder !== "string" && !Array.isArray(holder)) {
      return this.#property(object, key);
    }
    return key === "length" || /^[0-9]+$/.test(key ?? "") ? [holder[key]] : undefined;
  }

  /** A property of an object that is written out in the script and never changed. */
  #property(object, key) {
    const source = this.source(object);
    const binding = this.binding(bare(object));
    if (binding && isChanged(binding)) return undefined;
    if (source?.type !== "ObjectExpression" || key === undefined) return undefined;
    if (source.properties.some((one) => one.type !== "Property" || one.computed)) return undefined;
    const found = source.properties.findLast((one) =>
      (one.key.name ?? String(one.key.value)) === key
    );
    return found ? this.value(found.value) : undefined;
  }

  #call(node) {
    const callee = bare(node.callee);
    const given = this.#all(node.arguments);
    if (!given) return undefined;
    if (this.isGlobal(callee) && callee.name in FUNCTIONS) {
      return [FUNCTIONS[callee.name](...given)];
    }
    if (this.#isMember(callee, "String", "fromCharCode")) return [String.fromCharCode(...given)];
    if (this.#isMember(callee, "String", "fromCodePoint")) return [String.fromCodePoint(...given)];
    if (this.#isMember(callee, "Promise", "resolve")) return [given[0]];
    if (callee.type !== "MemberExpression") return undefined;
    const holder = this.value(callee.object)?.[0];
    const name = callee.computed ? this.text(callee.property) : callee.property.name;
    if (name === "repeat" && String(holder).length * given[0] > MOST_CHARACTERS) return undefined;
    if (name?.startsWith("pad") && given[0] > MOST_CHARACTERS) return undefined;
    if (typeof holder === "string" && STRING_METHODS.has(name)) return [holder[name](...given)];
    if (Array.isArray(holder) && LIST_METHODS.has(name)) return [[...holder][name](...given)];
    return undefined;
  }

  #isMember(node, object, property) {
    node = bare(node);
    return node?.type === "MemberExpression" && !node.computed &&
      node.property.name === property && this.isGlobal(node.object, object);
  }

  /** The values of several expressions, if all are known. */
  #all(expressions) {
    const values = expressions.map((one) => this.value(one));
    return values.includes(undefined) ? undefined : values.map(([value]) => value);
  }
}
