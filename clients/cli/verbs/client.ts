import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { PerennialError } from '../../../domain/errors.js';
import { bearer } from '../../client/gateway-client.js';
import { httpJson } from '../../client/http-json.js';
import { InferenceError } from '../../inference/src/errors.js';
import type { ModelSignature } from '../../inference/src/signature.js';
import { signatureNames, writeSignature } from '../../inference/src/write-signature.js';
import type { CliContext } from '../context.js';
import { filledOption } from '../options.js';
import { examples, verb } from '../verb.js';

type Options = { readonly out?: string; readonly version?: string };

/** How every file begins that this writes. */
const ours = '// Written by inference-types';

/** `client`: what programs need that call the gateway. */
export function registerClient(program: Command, context: CliContext): void {
  const client = program
    .command('client')
    .description('what TypeScript programs need that call the gateway: types of a model')
    .addHelpText('after', examples('client types demand-forecast --out src/demand-forecast.ts'));
  const types = client
    .command('types <model>')
    .description("write a model's signature as a TypeScript constant and type, by which tsc checks each call")
    .option('-o, --out <file>', 'the file; stdout when absent. One that this command wrote is written again', filledOption)
    .option('--version <version>', 'of this version, whatever is live', filledOption)
    .addHelpText(
      'after',
      examples('client types demand-forecast --out src/demand-forecast.ts', 'client types demand-forecast --version 1.0.1'),
    );
  verb<Options>(types, context, async ({ out, args: [model = ''], options }) => {
    const url = context.gatewayUrl();
    const signature = await signatureOf(context, { url, model, version: options.version });
    const text = textOf(signature, url);
    const file = options.out === undefined ? null : write(resolve(context.places.root, options.out), text);
    const { constant, type } = signatureNames(signature.name);
    out.answer({ model, version: options.version ?? null, file, constant, type, types: text }, () => {
      if (file === null) {
        out.line(text.trimEnd());
        return;
      }
      const inference = join(context.places.root, 'clients', 'inference');
      out.line(`${out.style.good('Written:')} ${constant} and ${type}, ${inAndOut(signature)}, in ${file}`);
      out.line(`Call it with @perennial-ml/inference (npm pack ${inference}, then npm install the file that it makes):`);
      out.line(`  import { ${constant} } from './${basename(file).replace(/\.ts$/, '.js')}';`);
      out.line(`  const answer = await new InferenceClient('${url}').model(${constant}).infer({ … });`);
      out.line(out.style.dim('When the model takes other fields one day, write it again: tsc then shows each call that must change.'));
    });
  });
}

async function signatureOf(
  context: CliContext,
  { url, model, version }: { url: string; model: string; version: string | undefined },
): Promise<ModelSignature> {
  const of = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
  const headers = bearer(context.gatewayToken());
  const ask = <T>(path: string) => httpJson<T>({ what: 'the gateway', url: new URL(path, url), headers, timeoutMs: 10_000 });
  try {
    return await ask<ModelSignature>(`/v2/models/${encodeURIComponent(model)}${of}`);
  } catch (error) {
    if (!(error instanceof PerennialError) || error.details['status'] !== 404) throw error;
    const { models } = await ask<{ models: readonly (string | { readonly name: string })[] }>('/v2/models');
    const names = models.map((one) => (typeof one === 'string' ? one : one.name));
    throw new PerennialError('Conflict', unknown({ url, model, version, names }), { details: error.details, cause: error });
  }
}

function unknown({ url, model, version, names }: { url: string; model: string; version: string | undefined; names: string[] }): string {
  if (version !== undefined && names.includes(model))
    return `The gateway at ${url} has not loaded version ${version} of ${model}: leave --version out for what is live; ./perennial versions ${model} lists all.`;
  const served = names.length === 0 ? 'It serves none yet' : `It serves ${names.join(', ')}`;
  return `The gateway at ${url} serves no model ${model}. ${served}; ./perennial status shows what is on its way.`;
}

function textOf(signature: ModelSignature, url: string): string {
  try {
    return writeSignature(signature);
  } catch (error) {
    if (!(error instanceof InferenceError)) throw error;
    throw new PerennialError('Conflict', `What ${url} says of ${signature.name} cannot be written as types: ${error.message}`, {
      cause: error,
    });
  }
}

/** Writes the file, unless it holds something else; answers its path. */
function write(path: string, text: string): string {
  try {
    if (existsSync(path) && !readFileSync(path, 'utf8').startsWith(ours))
      throw new PerennialError('Conflict', `${path} holds something that this command did not write. Name another file, or remove it.`);
    writeFileSync(path, text);
    return path;
  } catch (cause) {
    if (cause instanceof PerennialError) throw cause;
    throw new PerennialError('DataInvalid', `${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

function inAndOut({ inputs, outputs }: ModelSignature): string {
  const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
  return `${counted(inputs.length, 'input')} and ${counted(outputs.length, 'output')}`;
}
