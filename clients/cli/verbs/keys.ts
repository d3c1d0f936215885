import { text } from 'node:stream/consumers';
import { Option, type Command } from 'commander';
import { changeGatewayKeys, loadGatewayKeys } from '../../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../../adapters/keys/gateway-key.js';
import type { AccessRole, GatewayKey } from '../../../contracts/gateway-keys.js';
import { isActiveKey } from '../../../contracts/gateway-keys.js';
import { PerennialError } from '../../../domain/errors.js';
import { formatTime } from '../../../domain/format.js';
import type { CliContext } from '../context.js';
import { filledOption, momentHelp, momentOption, rateOption } from '../options.js';
import { ago } from '../output/figures.js';
import { examples, verb } from '../verb.js';

type NewKey = {
  readonly role: AccessRole;
  readonly model?: readonly string[];
  readonly rate?: number;
  readonly expires?: number;
  readonly password?: boolean;
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
        'keys revoke shop',
      ),
    );
  registerList(keys, context);
  registerCreate(keys, context);
  registerRevoke(keys, context);
}

function registerList(keys: Command, context: CliContext): void {
  verb(keys.command('list', { isDefault: true }).description('all of them, without their secrets'), context, async ({ out }) => {
    const found = (await loadGatewayKeys(context.places.gatewayKeysFile)).map(({ digest, ...shown }) => ({
      ...shown,
      kind: digest.startsWith('scrypt:') ? 'password' : 'secret',
      state: stateOf(shown),
    }));
    out.answer(found, () => {
      if (found.length === 0) return out.line('There is no key. On loopback the gateway then answers everybody.');
      const rows = found.map((key) => [
        key.name,
        key.role,
        key.models?.join(', ') ?? 'all',
        key.requestsPerSecond === null ? '-' : `${key.requestsPerSecond}/s`,
        ago(key.createdAtMs),
        key.expiresAtMs === null ? 'never' : formatTime(key.expiresAtMs),
        key.state === 'active' ? out.style.good(key.state) : out.style.warn(key.state),
      ]);
      out.table(
        ['name', 'role', 'models', 'rate', 'made', 'expires', 'state'].map((title) => ({ title })),
        rows,
      );
    });
  });
}

function registerCreate(keys: Command, context: CliContext): void {
  const command = keys
    .command('create <name>')
    .description('make a key; its secret is shown this once and kept nowhere')
    .addOption(new Option('--role <role>', 'what it may do; admin includes predict').choices(['predict', 'admin']).default('predict'))
    .option('--model <models...>', 'the models that it is for; all when left out', filledList)
    .option('--rate <requests>', 'most requests a second, over all processes of a gateway', rateOption)
    .option('--expires <time>', `from when it counts no longer: ${momentHelp}`, momentOption)
    .option('--password', 'read a password of at least 12 characters from stdin instead of making a secret');
  verb<NewKey>(command, context, async ({ out, args: [name = ''], options }) => {
    const nowMs = Date.now();
    if (options.expires !== undefined && options.expires <= nowMs)
      throw new PerennialError(
        'DataInvalid',
        `A key that expires at ${formatTime(options.expires)} would never count. Give a time to come.`,
      );
    const file = context.places.gatewayKeysFile;
    const password = options.password === true ? (await text(context.io.stdin)).replace(/\r?\n$/, '') : undefined;
    const { key, secret } = makeGatewayKey(
      {
        name,
        role: options.role,
        models: options.model ?? null,
        requestsPerSecond: options.rate ?? null,
        expiresAtMs: options.expires ?? null,
        ...(password === undefined ? {} : { password }),
      },
      nowMs,
    );
    await changeGatewayKeys(file, (known) => {
      const [active] = known.filter((one) => one.name === name && isActiveKey(one, nowMs));
      if (active !== undefined)
        throw new PerennialError('Conflict', `There is a key ${name} already. Revoke it first, or choose another name.`);
      return [...known.filter((one) => one.name !== name), key];
    });
    const { digest: _, ...shown } = key;
    out.answer({ ...shown, file, ...(password === undefined ? { secret } : {}) }, () => {
      out.line(`${out.style.good('Made:')} ${name} (${key.role}), in ${file}. A running gateway follows within a second.`);
      if (password !== undefined) return out.line(`Callers show it as name and password: curl --user ${name} …`);
      out.line(`The secret, shown this once:  ${out.style.bold(secret)}`);
      out.line(out.style.dim('Callers send it as "Authorization: Bearer <secret>" or "x-api-key: <secret>".'));
    });
  });
}

function registerRevoke(keys: Command, context: CliContext): void {
  verb(keys.command('revoke <name>').description('let a key count no longer'), context, async ({ out, args: [name = ''] }) => {
    const nowMs = Date.now();
    await changeGatewayKeys(context.places.gatewayKeysFile, (known) => {
      if (!known.some((one) => one.name === name && isActiveKey(one, nowMs)))
        throw new PerennialError('Conflict', `There is no key ${name} that counts. ./perennial keys lists them.`);
      return known.map((one) => (one.name === name ? { ...one, revokedAtMs: nowMs } : one));
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
