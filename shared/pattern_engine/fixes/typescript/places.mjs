// Where an expression stands: what is done with it, what it is called, whether it is only told.

/** Methods that only look for a text. */
const SEARCHES = new Set(
  "includes startsWith endsWith indexOf lastIndexOf match search has".split(" "),
);
const ADDRESS_KEY = /url|uri|href|endpoint|host|target|base|webhook|server|api/i;

/** The parameters and the error: data, not objects of the language. */
export function isData({ name }) {
  return name === "params" || name === "error";
}

const WRAPPERS = new Set([
  "ChainExpression",
  "TSAsExpression",
  "TSInstantiationExpression",
  "TSNonNullExpression",
  "TSSatisfiesExpression",
  "TSTypeAssertion",
]);

/** The expression itself, without casts and optional chains around it. */
export function bare(node) {
  while (WRAPPERS.has(node?.type)) node = node.expression;
  return node;
}

/** What a chain of members belongs to: a, for a.b[c]. */
export function rootOf(node) {
  for (node = bare(node); node.type === "MemberExpression"; node = bare(node.object));
  return node;
}

/** A node, with what only stands around it: a cast, await, one side of a ?? or a choice. */
export function outermost(node) {
  for (;;) {
    const { parent, heldAs } = node;
    const isAround = parent?.heldAs !== undefined && (
      WRAPPERS.has(parent.type) ||
      parent.type === "LogicalExpression" ||
      parent.type === "AwaitExpression" ||
      (parent.type === "ConditionalExpression" && heldAs !== "test") ||
      (parent.type === "SequenceExpression" && parent.expressions.at(-1) === node) ||
      (parent.type === "AssignmentExpression" && heldAs === "right" &&
        parent.parent.type !== "ExpressionStatement")
    );
    if (!isAround) return node;
    node = parent;
  }
}

export function isCalled(node) {
  const { parent, heldAs } = outermost(node);
  return heldAs === "callee" || (heldAs === "tag" && parent.type === "TaggedTemplateExpression");
}

export function isTypeTest({ parent, heldAs }) {
  return (parent.type === "UnaryExpression" && parent.operator === "typeof") ||
    (parent.type === "BinaryExpression" && parent.operator === "instanceof" && heldAs === "right");
}

export function isPartOfText({ parent, heldAs }) {
  return (parent.type === "BinaryExpression" && parent.operator === "+") ||
    (parent.type === "TemplateLiteral" && heldAs === "expressions");
}

export function isKey({ parent, heldAs }) {
  return heldAs === "key" ||
    (parent.type === "TSEnumMember" && heldAs === "id");
}

/** The name that a text has: of a variable, a member, a key, a header. */
export function nameOf(node) {
  const { parent, heldAs } = outermost(node);
  const named = { init: parent.id, initializer: parent.id, value: parent.key, right: parent.left };
  return labelOf(named[heldAs]) || labelOf(firstOfPair(parent, node));
}

function labelOf(node) {
  const label = node?.property ?? node;
  return String(label?.name ?? label?.value ?? "");
}

/** The name in headers.set("name", text), and in the pair ["name", text]. */
function firstOfPair({ type, callee, arguments: given, elements }, node) {
  const isSetting = type === "CallExpression" && /^(set|append)$/.test(callee.property?.name);
  const pair = isSetting ? given : elements ?? [];
  return pair.length === 2 && pair[1] === node && pair[0].type === "Literal" ? pair[0] : null;
}

/** Whether a text is only compared with, or searched for. */
export function isLookedFor(node) {
  const { parent, heldAs } = node;
  if (parent.type === "BinaryExpression") return /^([!=]==?|in)$/.test(parent.operator);
  if (parent.type === "SwitchCase") return heldAs === "test";
  const callee = heldAs === "arguments" && parent.callee;
  return callee?.type === "MemberExpression" && SEARCHES.has(callee.property.name);
}

/** Whether a URL is only said: in a message, in a header, in what is sent. */
export function isOnlyTold(node) {
  let isNoted = false;
  for (let { parent, heldAs } = node; parent; { parent, heldAs } = parent) {
    if (parent.type === "ThrowStatement") return true;
    if (parent.type === "Property" && heldAs === "value") {
      const key = String(parent.key.name ?? parent.key.value);
      if (key === "headers") return true;
      isNoted ||= !ADDRESS_KEY.test(key);
    }
    const callee = heldAs === "arguments" && parent.callee;
    if (callee?.type === "MemberExpression" && ["JSON", "console"].includes(callee.object.name)) {
      return true;
    }
    if (callee?.type === "Identifier" && /^Headers$|Error$/.test(callee.name)) return true;
    // A table of URLs, of which a request may take one.
    if (parent.type === "VariableDeclarator") return false;
    if (/Statement$|Declaration$|Function/.test(parent.type)) return isNoted;
  }
  return false;
}
