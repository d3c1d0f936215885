import { expect, test } from 'vitest';
import { readAwsSignature } from '../../gateway/access/aws-signature.js';
import { signatureOf } from '../../gateway/access/signature-of.js';
import { signingTime } from '../../gateway/access/signing-time.js';

/** From AWS's published test suite for Signature Version 4: its credentials, its moment, its signatures. */
const secretAccessKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const moment = '20150830T123600Z';
const usual = { host: 'example.amazonaws.com', 'x-amz-date': moment };
const form = { ...usual, 'content-type': 'application/x-www-form-urlencoded' };

type Vector = { method?: string; url?: string; headers?: Record<string, string>; body?: string; signature: string };

test.each<[string, Vector]>([
  ['get-vanilla', { signature: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' }],
  ['post-vanilla', { method: 'POST', signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b' }],
  [
    'get-vanilla-query-order-key-case',
    { url: '/?Param2=value2&Param1=value1', signature: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500' },
  ],
  ['get-vanilla-utf8-query', { url: '/?%E1%88%B4=bar', signature: '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04' }],
  [
    'get-unreserved',
    {
      url: '/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
      signature: '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
    },
  ],
  [
    'get-header-value-trim',
    {
      headers: { ...usual, 'my-header1': ' value1', 'my-header2': ' "a   b   c"' },
      signature: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
    },
  ],
  [
    'get-header-key-duplicate',
    {
      headers: { ...usual, 'my-header1': 'value2,value2,value1' },
      signature: 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
    },
  ],
  [
    'post-vanilla-query-nonunreserved',
    {
      method: 'POST',
      url: '/?%40%23%24%25%5E=&%2B=%2F%2C%3F%3E%3C%60%22%3B%3A%5C%7C%5D%5B%7B%7D',
      signature: '66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e',
    },
  ],
  [
    'post-x-www-form-urlencoded',
    {
      method: 'POST',
      headers: form,
      body: 'Param1=value1',
      signature: 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    },
  ],
])('AWS’s own vector %s has its signature', async (_, { method = 'GET', url = '/', headers = usual, body = '', signature }) => {
  const names = Object.keys(headers).sort().join(';');
  const of = readAwsSignature(
    `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${names}, Signature=${signature}`,
  );
  const { epochMs } = signingTime(moment, Date.UTC(2015, 7, 30, 12, 40));
  const made = (text: string) => signatureOf({ method, url, headers, body: Buffer.from(text) }, { of, secretAccessKey, epochMs });
  expect(await made(body)).toBe(signature);
  expect(await made(`${body}x`)).not.toBe(signature);
});
