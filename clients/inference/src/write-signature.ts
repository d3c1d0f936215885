import { isDatatype } from './datatypes.js';
import { InferenceError } from './errors.js';
import type { ModelSignature, SignatureTensor } from './signature.js';

/** The names that a module of a model has: its constant, and its type in PascalCase. */
export function signatureNames(model: string): { readonly constant: string; readonly type: string } {
  const words = model.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const joined = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('') || 'Model';
  const type = /^\d/.test(joined) ? `Model${joined}` : joined;
  const constant = type[0]!.toLowerCase() + type.slice(1);
  return { constant: reserved.has(constant) ? `${constant}Model` : constant, type };
}

/** A TypeScript module with a model's signature as a constant, and its type of the same name in PascalCase. */
export function writeSignature({ name, inputs, outputs }: ModelSignature, packageName = '@perennial-ml/inference'): string {
  const { constant, type } = signatureNames(name);
  return [
    '// Written by inference-types from the metadata of the model. Do not edit: write it again.',
    `import type { ModelSignature } from ${JSON.stringify(packageName)};`,
    '',
    `export const ${constant} = {`,
    `  name: ${JSON.stringify(name)},`,
    `  inputs: ${list(inputs)},`,
    `  outputs: ${list(outputs)},`,
    '} as const satisfies ModelSignature;',
    '',
    `export type ${type} = typeof ${constant};`,
    '',
  ].join('\n');
}

function list(tensors: readonly SignatureTensor[]): string {
  const lines = tensors.map(({ name, datatype, shape }) => {
    if (!isDatatype(datatype))
      throw new InferenceError('protocol', `tensor "${name}" has datatype ${String(datatype)}, which this client does not know`);
    return `    { name: ${JSON.stringify(name)}, datatype: '${datatype}', shape: [${shape.map(Number).join(', ')}] },`;
  });
  return lines.length === 0 ? '[]' : `[\n${lines.join('\n')}\n  ]`;
}

const reserved: ReadonlySet<string> = new Set([
  'class',
  'new',
  'default',
  'function',
  'import',
  'export',
  'delete',
  'return',
  'switch',
  'var',
  'let',
  'const',
  'enum',
  'true',
  'false',
  'null',
  'this',
  'super',
  'case',
  'for',
  'if',
  'in',
  'do',
  'try',
  'void',
  'with',
  'while',
  'yield',
  'await',
  'static',
  'public',
  'private',
  'package',
  'interface',
  'protected',
  'implements',
  'throw',
  'typeof',
  'break',
  'catch',
  'continue',
  'debugger',
  'else',
  'extends',
  'finally',
  'instanceof',
]);
