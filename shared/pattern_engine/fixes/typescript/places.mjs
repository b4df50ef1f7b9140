// Where an expression stands: what is done with it, what it is called, whether it is only told.

import { bare } from "./constants.mjs";

/** Methods that only look for a text. */
const SEARCHES = new Set(
  "includes startsWith endsWith indexOf lastIndexOf match search has".split(" "),
);
const ADDRESS_KEY = /url|uri|href|endpoint|host|target|base|webhook|server|api/i;

/** The parameters and the error: data, not objects of the language. */
export function isData({ name }) {
  return name === "params" || name === "error";
}

/** A node, with what only stands around it: a cast, await, one side of a ?? or a choice. */
export function outermost(node) {
  for (;;) {
    const { parent, heldAs } = node;
    const isAround = parent?.heldAs !== undefined && (
      heldAs === "expression" &&
        (parent.type.startsWith("TS") || parent.type === "ChainExpression") ||
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

/** handler.bind(…) makes a function. */
export function isBinding({ callee }) {
  callee = bare(callee);
  return callee.type === "MemberExpression" && callee.property.name === "bind";
}

export function isNumericWrite({ type, operator }) {
  return type === "UpdateExpression" ||
    (type === "AssignmentExpression" && /^(-|\*|\/|%|\*\*)=$/.test(operator));
}

export function isPartOfText({ parent, heldAs }) {
  return (parent.type === "BinaryExpression" && parent.operator === "+") ||
    (parent.type === "TemplateLiteral" && heldAs === "expressions");
}

export function isKey({ parent, heldAs }) {
  return heldAs === "key" || heldAs === "source" ||
    (parent.type === "TSEnumMember" && heldAs === "id");
}

/** A text with ${…} for what is not known of it. */
export function pieces(node) {
  switch (node.type) {
    case "Literal":
      return String(node.value);
    case "TemplateLiteral":
      return node.quasis.map((quasi, i) =>
        (quasi.cooked ?? "") + (i < node.expressions.length ? pieces(node.expressions[i]) : "")
      ).join("");
    case "BinaryExpression":
      return pieces(node.left) + pieces(node.right);
    default:
      return "${…}";
  }
}

/** The name that a text has: of a variable, a member, a key, a header. */
export function nameOf(node) {
  const { parent, heldAs } = outermost(node);
  const isNamed = ["init", "value", "right"].includes(heldAs);
  switch (parent.type) {
    case "VariableDeclarator":
    case "TSEnumMember":
      return parent.id.name ?? "";
    case "Property":
    case "PropertyDefinition":
      return isNamed ? String(parent.key.name ?? parent.key.value ?? "") : "";
    case "AssignmentExpression":
    case "AssignmentPattern": {
      const { left } = parent;
      return isNamed ? String(left.name ?? left.property?.name ?? left.property?.value ?? "") : "";
    }
    case "CallExpression":
    case "ArrayExpression": {
      // headers.set("name", text), and the pair ["name", text].
      const isSetting = /^(set|append)$/.test(parent.callee?.property?.name);
      const pair = isSetting ? parent.arguments : parent.elements ?? [];
      return pair.length === 2 && pair[1] === node && pair[0].type === "Literal"
        ? String(pair[0].value)
        : "";
    }
    default:
      return "";
  }
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
  for (let { parent, heldAs } = node; parent; { parent, heldAs } = parent) {
    if (parent.type === "ThrowStatement") return true;
    if (parent.type === "Property" && heldAs === "value") {
      const key = String(parent.key.name ?? parent.key.value);
      if (key === "headers" || !ADDRESS_KEY.test(key)) return true;
    }
    const callee = heldAs === "arguments" && parent.callee;
    if (callee?.type === "MemberExpression" && ["JSON", "console"].includes(callee.object.name)) {
      return true;
    }
    if (callee?.type === "Identifier" && /^Headers$|Error$/.test(callee.name)) return true;
    if (/Statement$|Declaration$|Function/.test(parent.type)) return false;
  }
  return false;
}
