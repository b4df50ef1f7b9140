// Finds loops that cannot end. Other endless loops are not found; a run is stopped at its limits of
// time, memory and output.

import { isFunction } from "./scopes.mjs";
import { children, nodes } from "./tree.mjs";

const ADVICE = "count its iterations, or leave it with break, return or throw";

/** Returns why a loop is refused, or null. */
export function endless(loop, texts) {
  const test = texts.source(loop.test);
  const isOnce = test?.type === "Literal" && !test.value && !test.regex;
  if (isOnce || hasExit(loop.body, true)) return null;
  const parts = loop.test ? [...nodes(loop.test)] : [];
  if (parts.some(isDoing)) return null;
  const names = parts.filter((one) => texts.isName(one));
  const isWritten = names.some((one) => texts.binding(one)?.writes.length > 0);
  const isMember = names.some((one) => one.parent.type === "MemberExpression");
  if (isWritten || (isMember && [loop.body, loop.update ?? null].some(isBusy))) return null;
  return names.length > 0
    ? `nothing in the loop changes its condition: ${ADVICE}`
    : `the loop never ends: ${ADVICE}`;
}

/** Whether a node may change the values in a condition. */
const isDoing = ({ type }) => /^(Call|New|Tagged|Await|Yield|Assignment|Update)/.test(type);
const isBusy = (node) => node !== null && [...nodes(node)].some(isDoing);

/** Whether a statement can leave the loop around it; a break inside may belong to another one. */
function hasExit(node, ownsBreak) {
  if (isFunction(node) || node.type.startsWith("Class")) return false;
  if (/^(Return|Throw)Statement|^YieldExpression/.test(node.type)) return true;
  if (node.type === "BreakStatement" && (ownsBreak || node.label)) return true;
  if (node.type === "ContinueStatement" && node.label) return true;
  const isOther = /^(For|While|DoWhile|Switch).*Statement$/.test(node.type);
  return children(node).some((child) => hasExit(child, ownsBreak && !isOther));
}
