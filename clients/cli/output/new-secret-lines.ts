import type { Style } from './style.js';

/** What the maker of a key is shown of it, once. */
export type NewSecret =
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'password' }
  | { readonly kind: 'aws'; readonly accessKeyId: string; readonly secretAccessKey: string };

/** How the callers of a new key use it. */
export function newSecretLines(name: string, secret: NewSecret, style: Style): string[] {
  switch (secret.kind) {
    case 'password':
      return [`Callers show it as name and password: curl --user ${name} …`];
    case 'secret':
      return [
        `The secret, shown this once:  ${style.bold(secret.secret)}`,
        style.dim('Callers send it as "Authorization: Bearer <secret>" or "x-api-key: <secret>".'),
      ];
    case 'aws':
      return [
        'For ~/.aws/credentials, shown this once:',
        '',
        `[${name}]`,
        `aws_access_key_id = ${secret.accessKeyId}`,
        `aws_secret_access_key = ${secret.secretAccessKey}`,
        '',
        'Or for the environment:',
        '',
        `export AWS_ACCESS_KEY_ID=${secret.accessKeyId}`,
        `export AWS_SECRET_ACCESS_KEY=${secret.secretAccessKey}`,
        '',
        style.dim('AWS SDKs and boto3 sign with it; their endpoint is this gateway, their region any.'),
      ];
  }
}
