import type { z } from 'zod';

/** One thing wrong with a definition: where, what was expected, what was found. */
export type DefinitionFault = { readonly path: string; readonly expected: string; readonly found: string };

export const fault = (path: string, expected: string, found: unknown): DefinitionFault => ({
  path,
  expected,
  found: typeof found === 'string' ? found : brief(found),
});

/** Faults of a failed zod parse (made with `reportInput`), in the order of the definition. */
export function shapeFaults(issues: readonly z.core.$ZodIssue[]): DefinitionFault[] {
  return issues.flatMap((issue): DefinitionFault[] => {
    const path = pathText(issue.path);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: path === '' ? key : `${path}.${key}`,
        expected: 'no such field',
        found: brief(valueAt(issue.input, key)),
      }));
    }
    return [{ path: path === '' ? '(the definition)' : path, expected: expectation(issue), found: found(issue) }];
  });
}

/** `features[3].agoMs` for `['features', 3, 'agoMs']`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** A value as one short line. */
export function brief(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? `a ${typeof value}`);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int' ? 'a whole number' : `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`;
    case 'invalid_value':
      return issue.values.length === 1 ? brief(issue.values[0]) : `one of ${issue.values.map(brief).join(', ')}`;
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `a number ${issue.inclusive === true ? 'of at least' : 'above'} ${issue.minimum}`
        : `at least ${issue.minimum} ${things(issue)}`;
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `a number ${issue.inclusive === true ? 'of at most' : 'below'} ${issue.maximum}`
        : `at most ${issue.maximum} ${things(issue)}`;
    case 'invalid_union': {
      const options = (issue as { options?: readonly unknown[] }).options;
      if (options !== undefined) return `one of ${options.map(brief).join(', ')}`;
      return [...new Set(issue.errors.flat().map(expectation))].join(' or ');
    }
    case 'invalid_key':
      return `a key that is ${issue.issues[0]?.message ?? 'valid'}`;
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return issue.message;
  }
}

function found(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && 'discriminator' in issue && typeof issue.discriminator === 'string') {
    return brief(valueAt(issue.input, issue.discriminator));
  }
  return brief(issue.input);
}

function things(issue: { readonly origin: string }): string {
  return issue.origin === 'string' ? 'characters' : 'entries';
}

function valueAt(input: unknown, key: string): unknown {
  return typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[key] : undefined;
}
