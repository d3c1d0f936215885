import { createHmac } from 'node:crypto';
import type { Capture } from '../../activities/ports.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import type { RedactionRule } from '../../domain/serving-options.js';
import { subjectOf } from '../plans/subject.js';

type Value = string | number | boolean | null;

/** Puts the words of a model's redaction rules in the place of values, before these leave the process. */
export type Redactor = {
  /** Whether a field has a rule. */
  has(field: string): boolean;
  /** What is kept of a field's value; undefined when nothing is. */
  value(field: string, value: Value): Value | undefined;
  /**
   * A capture with inputs, subject and key redacted. The key is always hashed: nobody knows what callers put there.
   * @param subject the fields that make the subject; none where the subject is the prediction's id
   */
  capture(capture: Capture, subject: readonly string[]): Capture;
  /** A subject as captures have it, from the one that a label names; null when its parts cannot be told apart. */
  subject(named: string, fields: readonly string[]): string | null;
};

/**
 * The rules of all versions that share a model's traffic, one a field: what one version hides, no other shows, and their
 * captures of one question still meet by its subject. A part of a subject is hashed; else the rule that keeps least counts.
 * Null when there are none.
 */
export function sharedRules(specs: Iterable<Pick<ServingSpec, 'capture' | 'subject'>>): ReadonlyMap<string, RedactionRule> | null {
  const all = [...specs];
  const subjects = new Set(all.flatMap(({ subject }) => subject));
  const rules = new Map<string, RedactionRule>();
  for (const rule of all.flatMap(({ capture }) => capture?.redact ?? [])) {
    const other = rules.get(rule.field);
    if (subjects.has(rule.field)) rules.set(rule.field, { field: rule.field, how: 'hash' });
    else if (other === undefined || keeps(rule) < keeps(other)) rules.set(rule.field, rule);
  }
  return rules.size === 0 ? null : rules;
}

/** Orders rules by what they leave readable. */
function keeps(rule: RedactionRule): number {
  switch (rule.how) {
    case 'drop':
      return 0;
    case 'hash':
      return 1;
    case 'mask':
      return 2 + (rule.keepLast ?? 0);
    case 'truncate':
      return 2 + rule.length;
  }
}

/** @param secret of the installation; equal values have equal hashes under it, in every model */
export function createRedactor(rules: ReadonlyMap<string, RedactionRule>, secret: string): Redactor {
  const hash = (value: Value): string => `hmac:${createHmac('sha256', secret).update(String(value)).digest('base64url')}`;
  const redacted = (rule: RedactionRule, value: Value): Value | undefined => {
    switch (rule.how) {
      case 'drop':
        return undefined;
      case 'hash':
        return hash(value);
      case 'mask': {
        const [characters, most] = halved(value);
        const kept = Math.min(rule.keepLast ?? 0, most);
        return `***${characters.slice(characters.length - kept).join('')}`;
      }
      case 'truncate': {
        const [characters, most] = halved(value);
        return characters.slice(0, Math.min(rule.length, most)).join('');
      }
    }
  };
  return {
    has: (field) => rules.has(field),
    value(field, value) {
      const rule = rules.get(field);
      return rule === undefined ? value : redacted(rule, value);
    },
    capture(capture, subject) {
      const inputs: Record<string, Value> = {};
      for (const name in capture.inputs) {
        const value = this.value(name, capture.inputs[name]!);
        if (value !== undefined) inputs[name] = value;
      }
      const kept = subject.some((field) => rules.has(field)) ? subjectOf(subject, inputs) : null;
      return { ...capture, inputs, key: capture.key === null ? null : hash(capture.key), subject: kept ?? capture.subject };
    },
    subject(named, fields) {
      if (!fields.some((field) => rules.has(field))) return named;
      if (fields.length === 1) return hash(named);
      const parts = named.split('|');
      if (parts.length !== fields.length) return null;
      return parts.map((part, i) => (rules.has(fields[i]!) ? hash(part) : part)).join('|');
    },
  };
}

/** The characters of a value, and how many of them may be kept. */
function halved(value: Value): [characters: string[], most: number] {
  const characters = Array.from(String(value));
  return [characters, Math.floor(characters.length / 2)];
}
