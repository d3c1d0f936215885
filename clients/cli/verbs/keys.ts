import { text } from 'node:stream/consumers';
import { Option, type Command } from 'commander';
import { changeGatewayKeys, loadGatewayKeys } from '../../../adapters/keys/gateway-key-file.js';
import type { NewGatewayKey } from '../../../adapters/keys/gateway-key.js';
import { makeAwsKey, makeGatewayKey } from '../../../adapters/keys/gateway-key.js';
import type { AccessRole, GatewayKey } from '../../../contracts/gateway-keys.js';
import { isActiveKey, revokedKey } from '../../../contracts/gateway-keys.js';
import { PerennialError } from '../../../domain/errors.js';
import { formatTime } from '../../../domain/format.js';
import type { CliContext } from '../context.js';
import { filledOption, momentHelp, momentOption, rateOption } from '../options.js';
import { ago } from '../output/figures.js';
import type { NewSecret } from '../output/new-secret-lines.js';
import { newSecretLines } from '../output/new-secret-lines.js';
import { examples, verb } from '../verb.js';

type NewKey = {
  readonly role: AccessRole;
  readonly model?: readonly string[];
  readonly rate?: number;
  readonly expires?: number;
  readonly password?: boolean;
  readonly aws?: boolean;
};

/** `keys`: who may call the gateway. A running gateway follows within a second. */
export function registerKeys(program: Command, context: CliContext): void {
  const keys = program
    .command('keys')
    .description('keys that callers of the gateway show: create, list, revoke')
    .addHelpText(
      'after',
      examples(
        'keys',
        'keys create shop --model demand-forecast --rate 200 --expires 2027-01-01',
        'keys create ops --role admin',
        'keys create jobs --aws',
        'keys revoke shop',
      ),
    );
  registerList(keys, context);
  registerCreate(keys, context);
  registerRevoke(keys, context);
}

function registerList(keys: Command, context: CliContext): void {
  verb(keys.command('list', { isDefault: true }).description('all of them, without their secrets'), context, async ({ out }) => {
    const found = (await loadGatewayKeys(context.places.gatewayKeysFile)).map(({ digest, aws, ...shown }) => ({
      ...shown,
      kind: aws === null ? (digest?.startsWith('scrypt:') === true ? 'password' : 'secret') : 'aws',
      accessKeyId: aws?.accessKeyId ?? null,
      state: stateOf(shown),
    }));
    out.answer(found, () => {
      if (found.length === 0) return out.line('There is no key. On loopback the gateway then answers everybody.');
      const isNoneActive = found.every(({ state }) => state !== 'active');
      const rows = found.map((key) => [
        key.name,
        key.role,
        key.models?.join(', ') ?? 'all',
        key.requestsPerSecond === null ? '-' : `${key.requestsPerSecond}/s`,
        ago(key.createdAtMs),
        key.expiresAtMs === null ? 'never' : formatTime(key.expiresAtMs),
        key.accessKeyId ?? key.kind,
        key.state === 'active' ? out.style.good(key.state) : out.style.warn(key.state),
      ]);
      out.table(
        ['name', 'role', 'models', 'rate', 'made', 'expires', 'shown as', 'state'].map((title) => ({ title })),
        rows,
      );
      if (isNoneActive) out.line('No key counts any more. The gateway stays closed, for all but the API token, until there is another.');
    });
  });
}

function registerCreate(keys: Command, context: CliContext): void {
  const command = keys
    .command('create <name>')
    .description('make a key; its secret is shown this once')
    .addOption(new Option('--role <role>', 'what it may do; admin includes predict').choices(['predict', 'admin']).default('predict'))
    .option('--model <models...>', 'the models that it is for; all when left out', filledList)
    .option('--rate <requests>', 'most requests a second, over all processes of a gateway', rateOption)
    .option('--expires <time>', `from when it counts no longer: ${momentHelp}`, momentOption)
    .option('--password', 'read a password of at least 12 characters from stdin instead of making a secret')
    .addOption(
      new Option('--aws', "make a pair of AWS's form, with which AWS SDKs and boto3 sign; the key file then holds the secret").conflicts(
        'password',
      ),
    );
  verb<NewKey>(command, context, async ({ out, args: [name = ''], options }) => {
    const nowMs = Date.now();
    if (options.expires !== undefined && options.expires <= nowMs)
      throw new PerennialError(
        'DataInvalid',
        `A key that expires at ${formatTime(options.expires)} would never count. Give a time to come.`,
      );
    const file = context.places.gatewayKeysFile;
    const password = options.password === true ? (await text(context.io.stdin)).replace(/\r?\n$/, '') : undefined;
    const { key, secret } = make(
      {
        name,
        role: options.role,
        models: options.model ?? null,
        requestsPerSecond: options.rate ?? null,
        expiresAtMs: options.expires ?? null,
        ...(password === undefined ? {} : { password }),
      },
      { aws: options.aws === true, nowMs },
    );
    let isFirst = false;
    await changeGatewayKeys(file, (known) => {
      isFirst = known.length === 0;
      const [active] = known.filter((one) => one.name === name && isActiveKey(one, nowMs));
      if (active !== undefined)
        throw new PerennialError('Conflict', `There is a key ${name} already. Revoke it first, or choose another name.`);
      return [...known.filter((one) => one.name !== name), key];
    });
    const { digest: _, aws: __, ...shown } = key;
    out.answer({ ...shown, file, ...secret }, () => {
      out.line(`${out.style.good('Made:')} ${name} (${key.role}), in ${file}. A running gateway follows within a second.`);
      for (const line of newSecretLines(name, secret, out.style)) out.line(line);
      if (isFirst) out.line(closedFromNowOn);
    });
    const { unknown, there } = await unknownModels(context, options.model ?? []);
    for (const model of unknown)
      out.note(
        `${out.style.warn('!')} There is no model ${model} yet: ${there}. The key is made, and counts for it once it is published; if that was not meant, ./perennial keys revoke ${name}.`,
      );
  });
}

const closedFromNowOn = 'From now on the gateway asks every caller for a key, on loopback too; ./perennial has one of its own.';

/** Most names that are told. */
const mostNames = 20;

/**
 * Those that the registry does not have, and a word on those that it has. A key may be made before its model, and without a
 * stack: where there is none to ask, or it does not answer this user, nothing is unknown. By then the key is made.
 */
async function unknownModels(context: CliContext, models: readonly string[]): Promise<{ unknown: readonly string[]; there: string }> {
  if (models.length === 0) return { unknown: [], there: '' };
  let known: readonly string[];
  try {
    known = (await context.api().models()).map(({ model }) => model);
  } catch (error) {
    if (error instanceof PerennialError) return { unknown: [], there: '' };
    throw error;
  }
  const names = known.slice(0, mostNames).join(', ');
  const more =
    known.length > mostNames
      ? `${names} and ${known.length - mostNames} more are there`
      : `${names} ${known.length === 1 ? 'is' : 'are'} there`;
  return { unknown: models.filter((model) => !known.includes(model)), there: known.length === 0 ? 'none is there' : more };
}

function make(of: NewGatewayKey, { aws, nowMs }: { aws: boolean; nowMs: number }): { key: GatewayKey; secret: NewSecret } {
  if (aws) {
    const { key, pair } = makeAwsKey(of, nowMs);
    return { key, secret: { kind: 'aws', ...pair } };
  }
  const { key, secret } = makeGatewayKey(of, nowMs);
  return { key, secret: of.password === undefined ? { kind: 'secret', secret } : { kind: 'password' } };
}

function registerRevoke(keys: Command, context: CliContext): void {
  verb(keys.command('revoke <name>').description('let a key count no longer'), context, async ({ out, args: [name = ''] }) => {
    const nowMs = Date.now();
    await changeGatewayKeys(context.places.gatewayKeysFile, (known) => {
      if (!known.some((one) => one.name === name && isActiveKey(one, nowMs)))
        throw new PerennialError('Conflict', `There is no key ${name} that counts. ./perennial keys lists them.`);
      return known.map((one) => (one.name === name ? revokedKey(one, nowMs) : one));
    });
    out.answer({ name, revokedAtMs: nowMs }, () =>
      out.line(`${out.style.good('Revoked:')} ${name}. A running gateway follows within a second.`),
    );
  });
}

function stateOf(key: Pick<GatewayKey, 'revokedAtMs' | 'expiresAtMs'>): 'active' | 'expired' | 'revoked' {
  if (key.revokedAtMs !== null) return 'revoked';
  return key.expiresAtMs !== null && key.expiresAtMs <= Date.now() ? 'expired' : 'active';
}

const filledList = (value: string, before: readonly string[] = []): string[] => [...before, filledOption(value)];
