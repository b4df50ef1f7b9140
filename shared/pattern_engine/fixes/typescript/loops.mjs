// Whether a loop can end. Refused is what shows no way out: a condition that is always true, or that
// nothing in the loop changes, without a break, return or throw that can be reached.

import { bare } from "./constants.mjs";
import { isFunction, isWritten } from "./scopes.mjs";
import { children, nodes } from "./tree.mjs";

const LOOPS = new Set([
  "WhileStatement",
  "DoWhileStatement",
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
]);
/** A loop that counts as far as this has no bound. */
const MOST_ROUNDS = 1e8;
const BRANCHES = new Set([
  "IfStatement",
  "ConditionalExpression",
  "LogicalExpression",
  "SwitchStatement",
]);

/** Returns why a loop is refused, or null. */
export function endless(loop, constants) {
  if (loop.type === "ForOfStatement") return grows(loop, constants);
  if (loop.type === "ForInStatement") return null;
  return new Loop(loop, constants).verdict();
}

/** A list that gets longer while it is walked. */
function grows({ right, body }, constants) {
  const binding = constants.binding(bare(right));
  const longer = binding?.reads.some((id) => {
    if (!isInside(id, body) || id.parent.type !== "MemberExpression") return false;
    const { name } = id.parent.property;
    // What a set has already, it takes no second time: only what is added each time is endless.
    return ["push", "unshift"].includes(name) || (name === "add" && isEachRound(id, body));
  });
  return longer ? `the loop adds to ${binding.name} while it walks it: walk a copy` : null;
}

class Loop {
  #loop;
  #constants;

  constructor(loop, constants) {
    this.#loop = loop;
    this.#constants = constants;
  }

  verdict() {
    const { test } = this.#loop;
    const truth = test ? this.#constants.truth(test) : true;
    if (truth === false || this.#hasExit()) return null;
    if (truth === true) {
      return "the loop has no end: count its rounds, or leave it with a break that can be reached";
    }
    if (this.#hasNoBound(test)) return "the loop counts without a bound: name one";
    if (this.#isOutrun(test)) return "the list grows each round: the loop never reaches its end";
    if (!this.#changes(test)) return "nothing in the loop changes its condition: it may never end";
    return null;
  }

  #hasExit() {
    return [...this.#jumps(this.#loop.body)].some((jump) => this.#leaves(jump));
  }

  /** Statements in the loop's own function that jump. */
  *#jumps(node) {
    if (isFunction(node) || node.type.startsWith("Class")) return;
    if (/^(Break|Continue|Return|Throw)Statement$/.test(node.type)) yield node;
    for (const child of children(node)) yield* this.#jumps(child);
  }

  /** Whether a jump leaves the loop, and can happen. */
  #leaves(jump) {
    const tests = [];
    let leaves = jump.type === "ReturnStatement" || jump.type === "ThrowStatement";
    for (let node = jump; node !== this.#loop; node = node.parent) {
      const { parent } = node;
      if (jump.type === "ThrowStatement" && parent.type === "TryStatement") {
        if (node.heldAs === "block" && parent.handler) return false;
      }
      if (
        parent.type === "TryStatement" && node.heldAs !== "finalizer" &&
        this.#jumpsIn(parent.finalizer)
      ) {
        return false;
      }
      if (isAfterJump(node, this.#constants)) return false;
      if (parent.type === "SwitchCase") tests.push(parent.parent.discriminant);
      if (parent.type === "IfStatement" && node.heldAs !== "test") {
        const truth = this.#constants.truth(parent.test);
        if (truth !== undefined && truth !== (node.heldAs === "consequent")) return false;
        if (truth === undefined) tests.push(parent.test);
      }
    }
    if (!leaves) leaves = this.#isAimedOutside(jump);
    return leaves && (tests.length === 0 || tests.some((test) => this.#changes(test)));
  }

  #jumpsIn(finalizer) {
    return finalizer ? !this.#jumps(finalizer).next().done : false;
  }

  /** Whether a break or continue goes beyond this loop. */
  #isAimedOutside({ type, label, parent }) {
    for (let node = parent; node; node = node.parent) {
      const isLoop = LOOPS.has(node.type);
      const isLabelled = node.type === "LabeledStatement" && node.label.name === label?.name;
      if (
        label
          ? !isLabelled
          : !(isLoop || (type === "BreakStatement" && node.type === "SwitchStatement"))
      ) {
        continue;
      }
      const target = label ? node.body : node;
      if (isInside(target, this.#loop.body)) return false;
      return target !== this.#loop || type === "BreakStatement";
    }
    return false;
  }

  #hasNoBound(test) {
    test = bare(test);
    if (test.type === "LogicalExpression" && test.operator === "||") {
      return this.#hasNoBound(test.left) || this.#hasNoBound(test.right);
    }
    if (test.type !== "BinaryExpression") return false;
    const bound = this.#constants.value(test.right)?.[0];
    const isUpwards = ["<", "<=", "!=", "!=="].includes(test.operator);
    return isUpwards && (typeof bound === "number" || typeof bound === "bigint") &&
      bound >= MOST_ROUNDS &&
      !this.#isClock(test.left);
  }

  #isClock(node) {
    node = bare(node);
    return node.type === "CallExpression" ||
      (node.type === "MemberExpression" && !["length", "size"].includes(node.property.name));
  }

  /** i < list.length while each round pushes to the list. */
  #isOutrun(test) {
    test = bare(test);
    if (test.type !== "BinaryExpression" || !["<", "<="].includes(test.operator)) return false;
    const { object, property } = bare(test.right);
    const reads = property?.name === "length" ? this.#constants.binding(bare(object))?.reads : [];
    const calls = (reads ?? []).filter((id) => isInside(id, this.#loop) && isHandedOn(id));
    return calls.length > 0 && calls.every((id) => {
      const call = id.parent.parent;
      return id.parent.property?.name === "push" && isEachRound(id, this.#loop.body) &&
        call.arguments?.length > 0 && call.arguments.every(({ type }) => type !== "SpreadElement");
    });
  }

  /** Whether a condition may turn out otherwise in a later round. */
  #changes(test) {
    if (this.#isBackwards(test) || this.#isKept(test)) return false;
    for (const node of nodes(test)) {
      if (isFunction(node)) continue;
      if (node.type === "AwaitExpression" || node.type === "YieldExpression") return true;
      if (isWritten(node)) return true;
      if (node.type === "CallExpression" && this.#constants.value(node) === undefined) return true;
      if (node.type === "Identifier" && this.#isChanged(node)) return true;
      if (node.type === "ThisExpression") return true;
    }
    return false;
  }

  #isChanged(id) {
    const binding = this.#constants.binding(id);
    if (!binding) return false;
    if (isInside(binding.id, this.#loop) && binding.kind !== "let" && binding.kind !== "var") {
      return true;
    }
    if (isInside(binding.id, this.#loop.body)) return true;
    const writes = binding.writes.filter((write) => this.#reachesRound(write));
    if (writes.some((write) => !isIdle(write) && !this.#isSkipped(write))) return true;
    return binding.reads.some((read) =>
      read !== id && this.#reachesRound(read) && isHandedOn(read)
    );
  }

  /** Whether what a node does may happen in a round: it stands in the loop, or in a function. */
  #reachesRound(node) {
    return isInside(node, this.#loop) || functionOf(node) !== functionOf(this.#loop);
  }

  /** Whether a node of the loop is never reached: a jump stands before it. */
  #isSkipped(node) {
    for (; node && node !== this.#loop; node = node.parent) {
      if (isAfterJump(node, this.#constants)) return isInside(node, this.#loop);
    }
    return false;
  }

  /**
   * Whether all that the rounds assign leaves the condition true: done = false under while (!done),
   * and i = 0 each time beside i++ under while (i < 10).
   */
  #isKept(test) {
    test = bare(test);
    const id = bare(
      { UnaryExpression: test.argument, BinaryExpression: test.left }[test.type] ?? test,
    );
    const writes = (this.#constants.binding(id)?.writes ?? []).filter((one) =>
      this.#reachesRound(one)
    );
    const steps = writes.filter(({ parent }) => parent.type === "UpdateExpression").length;
    const kept = writes.filter(({ parent, heldAs }) => {
      const isPlain = parent.type === "AssignmentExpression" && parent.operator === "=";
      return isPlain && heldAs === "left" && this.#holds(test, parent.right, steps);
    });
    if (kept.length === 0) return false;
    return writes.every((one) =>
      kept.includes(one) ||
      (one.parent.type === "UpdateExpression" && writes.every((write) => this.#isEachTime(write)))
    );
  }

  #isEachTime(node) {
    return isInside(node, this.#loop.update) || isEachRound(node, this.#loop.body);
  }

  /** Whether a condition is true when its name has this value, and some steps later too. */
  #holds(test, node, steps) {
    const truth = this.#constants.truth(node);
    if (test.type === "Identifier") return truth === true;
    if (test.type === "UnaryExpression") return test.operator === "!" && truth === false;
    const [value, bound] = [node, test.right].map((one) => this.#constants.value(one)?.[0]);
    if (typeof value !== "number" || typeof bound !== "number") return false;
    const { operator } = test;
    if (operator.startsWith("<")) return value + steps < bound;
    return operator.startsWith(">") && value - steps > bound;
  }

  /** i < n while i only goes down, i > n while it only goes up. */
  #isBackwards(test) {
    test = bare(test);
    if (test.type !== "BinaryExpression" || !/^[<>]=?$/.test(test.operator)) return false;
    const [low, high] = test.operator.startsWith("<")
      ? [test.left, test.right]
      : [test.right, test.left];
    const steps = [...this.#steps(low).map((step) => -step), ...this.#steps(high)];
    return steps.length > 0 && steps.every((step) => step > 0);
  }

  /** Date.now() and performance.now(), which go up by themselves. */
  #isNow({ type, callee }) {
    return type === "CallExpression" && bare(callee).property?.name === "now" &&
      ["Date", "performance"].some((name) => this.#constants.isGlobal(callee.object, name));
  }

  /** How the writes of a name in the loop move it: 1 up, -1 down, NaN for not known. */
  #steps(node) {
    if (this.#isNow(bare(node))) return [1];
    const writes = this.#constants.binding(bare(node))?.writes ?? [];
    if (writes.length === 0) return this.#constants.value(node) === undefined ? [NaN] : [];
    return writes.filter((write) => this.#reachesRound(write)).map(({ parent }) => {
      if (parent.type === "UpdateExpression") return parent.operator === "++" ? 1 : -1;
      const by = parent.type === "AssignmentExpression"
        ? this.#constants.value(parent.right)?.[0]
        : NaN;
      if (parent.operator === "+=") return Math.sign(by);
      return parent.operator === "-=" ? -Math.sign(by) : NaN;
    });
  }
}

/** Whether a node runs in each round: no branch, loop or function of its own stands around it. */
function isEachRound(node, body) {
  for (; node; node = node.parent) {
    if (BRANCHES.has(node.type) || LOOPS.has(node.type) || isFunction(node)) return false;
    if (node === body) return true;
  }
  return false;
}

/** A write that changes nothing: i += 0, i = i. */
function isIdle({ parent, name }) {
  if (parent.type !== "AssignmentExpression") return false;
  const { operator, right } = parent;
  const value = right.type === "Literal" ? Number(right.value) : NaN;
  if (operator === "=") return right.type === "Identifier" && right.name === name;
  if (["+=", "-=", "|=", "^="].includes(operator)) return value === 0;
  return ["*=", "/=", "**="].includes(operator) && value === 1;
}

/** Whether what a name holds may be changed where it is read: a method is called, it is passed on. */
function isHandedOn(id) {
  let node = id;
  while (node.parent.type === "MemberExpression" && node.heldAs === "object") node = node.parent;
  if (node !== id && (node.heldAs === "callee" || isWritten(node))) return true;
  return node.heldAs === "arguments";
}

/** Whether a statement before this one, in its block, always jumps. */
function isAfterJump({ parent, heldAs, start }, constants) {
  const siblings = parent[heldAs];
  return Array.isArray(siblings) &&
    siblings.some((sibling) => sibling.start < start && alwaysJumps(sibling, constants));
}

function alwaysJumps(node, constants) {
  switch (node?.type) {
    case "BreakStatement":
    case "ContinueStatement":
    case "ReturnStatement":
    case "ThrowStatement":
      return true;
    case "BlockStatement":
      return node.body.some((statement) => alwaysJumps(statement, constants));
    case "IfStatement": {
      const truth = constants.truth(node.test);
      return (truth === false || alwaysJumps(node.consequent, constants)) &&
        (truth === true || alwaysJumps(node.alternate, constants));
    }
    default:
      return false;
  }
}

/** Returns why a function that calls itself is refused, or null: it does so whatever it is given. */
export function endlessRecursion(binding, constants) {
  const self = binding.value ?? binding.init;
  const own = bare(self);
  if (!isFunction(own) || !own.body || own.generator) return null;
  const calls = binding.reads.filter((id) =>
    isInside(id, own.body) && isCallOf(id, own, constants)
  );
  if (calls.length === 0 || hasBranch(own.body)) return null;
  return `${binding.name} calls itself each time it runs: give it an end`;
}

function hasBranch(body) {
  for (const node of nodes(body)) {
    if (BRANCHES.has(node.type) || LOOPS.has(node.type) || node.type === "ThrowStatement") {
      return true;
    }
  }
  return false;
}

/** Whether an identifier is called by a function each time that runs, at once or later. */
function isCallOf(id, own, constants) {
  const isCalled = id.heldAs === "callee" ||
    (id.heldAs === "arguments" && isLater(id.parent, constants));
  if (!isCalled) return false;
  for (let inner = functionOf(id); inner !== own; inner = functionOf(inner)) {
    if (!inner || inner.heldAs !== "arguments" || !isLater(inner.parent, constants)) return false;
  }
  return true;
}

/** Whether a call runs a function that it is given, once. */
function isLater({ callee }, constants) {
  callee = bare(callee);
  if (constants.isGlobal(callee)) {
    return ["setTimeout", "queueMicrotask", "Promise"].includes(callee.name);
  }
  return callee.type === "MemberExpression" && ["then", "finally"].includes(callee.property.name);
}

function functionOf(node) {
  for (node = node.parent; node && !isFunction(node);) node = node.parent;
  return node;
}

function isInside(node, outer) {
  for (; node; node = node.parent) {
    if (node === outer) return true;
  }
  return false;
}
