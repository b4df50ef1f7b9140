// The kinds of nodes that a script may contain, with the names of Deno's lint plugins.

const list = (text) => new Set(text.trim().split(/\s+/));

/** Kinds of nodes, each with the properties that hold nodes. */
const KINDS = `
  Program body;
  BlockStatement body; BreakStatement label; ContinueStatement label; DoWhileStatement body test;
  EmptyStatement; ExpressionStatement expression; ForInStatement left right body;
  ForOfStatement left right body; ForStatement init test update body;
  IfStatement test consequent alternate; LabeledStatement label body; ReturnStatement argument;
  SwitchStatement discriminant cases; SwitchCase test consequent; ThrowStatement argument;
  TryStatement block handler finalizer; CatchClause param body; WhileStatement test body;
  VariableDeclaration declarations; VariableDeclarator id init;
  FunctionDeclaration id params body; ClassDeclaration id superClass body decorators;
  ClassBody body; StaticBlock body; MethodDefinition key value decorators;
  PropertyDefinition key value decorators; ExportDefaultDeclaration declaration;
  ExportNamedDeclaration declaration specifiers; ExportSpecifier local exported;
  TSEnumDeclaration id body; TSEnumBody members; TSEnumMember id initializer;
  TSParameterProperty parameter decorators;
  ArrayExpression elements; ArrowFunctionExpression params body; AssignmentExpression left right;
  AwaitExpression argument; BinaryExpression left right; CallExpression callee arguments;
  ChainExpression expression; ClassExpression id superClass body decorators;
  ConditionalExpression test consequent alternate; FunctionExpression id params body;
  LogicalExpression left right; MemberExpression object property; NewExpression callee arguments;
  ObjectExpression properties; Property key value; SequenceExpression expressions;
  SpreadElement argument; TaggedTemplateExpression tag quasi; TemplateLiteral quasis expressions;
  UnaryExpression argument; UpdateExpression argument; YieldExpression argument;
  TSAsExpression expression; TSInstantiationExpression expression;
  TSNonNullExpression expression; TSSatisfiesExpression expression; TSTypeAssertion expression;
  ArrayPattern elements decorators; AssignmentPattern left right decorators;
  ObjectPattern properties decorators; RestElement argument decorators;
  Identifier decorators; Literal; MetaProperty; PrivateIdentifier; Super; TemplateElement;
  ThisExpression
`;
export const KIND = new Map(
  KINDS.split(";").map((one) => one.trim().split(/\s+/)).map(([kind, ...held]) => [kind, held]),
);
/** Words of the language that may stand between the nodes. */
export const WORDS = list(`
  abstract as async await break case catch class const continue declare default delete do else enum
  export extends finally for from function get if implements in instanceof let new of override private
  protected public readonly return satisfies set static switch throw try type typeof using var void
  while yield
`);

/** Nodes without child nodes, to which their whole text belongs. */
export const TOKENS = list(
  "Identifier Literal MetaProperty PrivateIdentifier Super TemplateElement ThisExpression",
);
/** Properties that hold types: they are erased before the script runs. */
export const TYPES = list(
  "typeAnnotation returnType typeParameters typeArguments superTypeArguments implements",
);
/** Nodes that are erased as a whole. */
export const ERASED = list(`
  TSInterfaceDeclaration TSTypeAliasDeclaration TSDeclareFunction TSIndexSignature
  TSAbstractMethodDefinition TSAbstractPropertyDefinition TSEmptyBodyFunctionExpression
`);
/** Properties that hold no nodes. */
export const FACTS = list(`
  name operator kind computed optional value raw regex bigint static generator async await delegate
  prefix shorthand method declare exportKind cooked abstract
`);

export const IMPORT = ["import", "import is not allowed: a fix is one file, without libraries"];
const UNKNOWN = {
  ImportDeclaration: IMPORT,
  ImportExpression: IMPORT,
  TSImportEqualsDeclaration: IMPORT,
  TSImportType: IMPORT,
  TSExternalModuleReference: IMPORT,
  ExportAllDeclaration: IMPORT,
  TSExportAssignment: ["import", "export = is not allowed: export default the function"],
  TSNamespaceExportDeclaration: IMPORT,
  WithStatement: ["with", "with is not allowed: name the object each time"],
  DebuggerStatement: ["construct", "debugger is not allowed: remove it"],
  Decorator: ["construct", "decorators are not allowed: call the function"],
  TSModuleDeclaration: ["construct", "namespaces are not allowed: use functions and objects"],
  AccessorProperty: ["construct", "accessor is not allowed: write a getter and a setter"],
};

/** The rule and the message that refuse a kind of node. */
export function unknown(type) {
  return UNKNOWN[type] ?? ["construct", `${type} is not allowed in a fix`];
}
