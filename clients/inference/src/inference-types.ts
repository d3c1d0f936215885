#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { InferenceClient } from './client.js';
import { InferenceError } from './errors.js';
import { writeSignature } from './write-signature.js';

const usage = 'inference-types <url> <model> [--version <version>] [--key <key>] [--out <file.ts>]';

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { version: { type: 'string' }, key: { type: 'string' }, out: { type: 'string' } },
  });
  const [url, model] = positionals;
  if (url === undefined || model === undefined || positionals.length > 2) throw new TypeError(`expected: ${usage}`);
  const client = new InferenceClient(url, values.key === undefined ? {} : { key: values.key });
  const text = writeSignature(await client.modelMetadata(model, values.version === undefined ? {} : { version: values.version }));
  if (values.out === undefined) process.stdout.write(text);
  else writeFileSync(values.out, text);
} catch (error) {
  if (!(error instanceof InferenceError || error instanceof Error)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
