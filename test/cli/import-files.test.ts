import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { run } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'perennial-import-'));
/** The local header of a ZIP file's first entry. */
const zip = (name: string): Buffer => Buffer.concat([Buffer.from('504b0304', 'hex'), Buffer.alloc(26), Buffer.from(name)]);
const pickle = Buffer.from('800495a5000000000000008c1f736b6c6561726e', 'hex');
const onnx = Buffer.from('080a1208736b6c326f6e6e78', 'hex');

function given(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
/** Without a stack: what is wrong with the files is told before anything is asked. */
const imported = (path: string, ...more: string[]) => run(['import', 'churn', path, ...more]);

describe('import of a file that is no ONNX', () => {
  test.each([
    ['model.pkl', pickle, 'a pickle', ['scikit-learn', 'XGBoost', 'LightGBM']],
    ['unnamed', pickle, 'a pickle', ['scikit-learn', 'XGBoost', 'LightGBM']],
    ['model.joblib', gzipSync(pickle), 'a joblib file', ['scikit-learn', 'XGBoost', 'LightGBM']],
    ['model.pt', zip('model/data.pkl'), 'a PyTorch file', ['PyTorch']],
    ['old.pth', pickle, 'a PyTorch file', ['PyTorch']],
    ['weights.bin', zip('archive/data.pkl'), 'a PyTorch file', ['PyTorch']],
    ['model.safetensors', Buffer.from('08000000000000007b7d', 'hex'), 'weights alone (safetensors)', ['PyTorch']],
    ['model.keras', zip('metadata.json'), 'a Keras file', ['TensorFlow/Keras']],
    ['renamed.onnx', zip('metadata.json'), 'a Keras file', ['TensorFlow/Keras']],
    ['model.h5', Buffer.from('894844460d0a1a0a', 'hex'), 'a Keras file (HDF5)', ['TensorFlow/Keras']],
    ['lite.bin', Buffer.from('1c00000054464c33', 'hex'), 'a TensorFlow Lite file', ['TensorFlow/Keras']],
    ['saved_model.pb', Buffer.from('080112', 'hex'), 'a SavedModel of TensorFlow', ['TensorFlow/Keras']],
    ['model.txt', 'tree\nversion=v4\n', 'a LightGBM file', ['LightGBM']],
    ['model.json', '{"learner":{}}', 'an XGBoost file', ['XGBoost']],
    ['model.ubj', Buffer.from('7b4c0000000000000007', 'hex'), 'an XGBoost file', ['XGBoost']],
    ['page.html', '<!doctype html>', 'another kind of file', ['PyTorch', 'scikit-learn', 'XGBoost', 'LightGBM', 'TensorFlow/Keras']],
  ] as const)('%s', async (...[name, bytes, what, frameworks]) => {
    const path = given(name, bytes);
    const { code, stderr } = await imported(path);
    expect(code).toBe(1);
    expect(stderr).toContain(`${path} is ${what}, and an ONNX file is expected.`);
    expect([...stderr.matchAll(/^ {2}(\S+): /gm)].map(([, framework]) => framework)).toEqual([...frameworks, 'More']);
    expect(stderr).toContain('docs/importing-models.md');
  });

  test('but a folder', async () => {
    const saved = join(folder, 'saved');
    mkdirSync(saved);
    expect((await imported(saved)).stderr).toContain(`${saved} is a folder, and an ONNX file is expected.`);
    writeFileSync(join(saved, 'saved_model.pb'), '');
    const { stderr } = await imported(saved);
    expect(stderr).toContain('is a SavedModel of TensorFlow');
    expect(stderr).toContain('tf2onnx');
  });

  test('but nothing, or too much', async () => {
    expect((await imported(join(folder, 'absent.onnx'))).stderr).toContain('absent.onnx cannot be read: there is no such file.');
    expect((await imported(given('empty.onnx', ''))).stderr).toContain('empty.onnx is empty');
    // A hole takes no room on the disk.
    truncateSync(given('large.onnx', onnx), 2 * 1024 ** 3 + 1);
    expect((await imported(join(folder, 'large.onnx'))).stderr).toContain('has 2.0 GiB, and an ONNX file at most 2.0 GiB');
  });
});

describe('import of an ONNX file', () => {
  const file = given('model.onnx', onnx);

  test('gets as far as the control API, whatever its name', async () => {
    for (const path of [file, given('weights.pt', onnx)]) {
      const { code, stdout, stderr } = await imported(path);
      expect(stdout).toMatch(/: 12 bytes, sha256:[0-9a-f]{64}\n$/);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/not known where the control API is/)]);
    }
  });

  test.each([
    ['no JSON', 'no json', /request is no JSON .*"inputs":\[/],
    ['other JSON', '{"outputs":[]}', /request has no list "inputs"/],
    ['what is no text', Buffer.from([0x22, 0x1b, 0x5b]), /request is no JSON \([ -~·]*\): /],
  ])('with an example that is %s says so', async (_what, text, message) => {
    const { code, stderr } = await imported(file, '--example', given('request', text));
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test('with a wrong answer says so', async () => {
    const request = given('request.json', '{"inputs":[]}');
    const { stderr } = await imported(file, '--example', request, '--expect', given('answer.json', '[1]'));
    expect(stderr).toMatch(/answer\.json has no list "outputs"/);
    expect((await imported(file, '--example', join(folder, 'nowhere.json'))).stderr).toMatch(
      /nowhere\.json cannot be read: there is no such file/,
    );
  });

  test.each([
    [['--expect', 'answer.json'], /--expect is the answer to a request/],
    [['--example', 'request.json', '--tolerance', '1e-3'], /--tolerance is about what is expected/],
    [['--tolerance', '2'], /a number from 0 to 1 is expected/],
    [['--tolerance', 'little'], /a number from 0 to 1 is expected/],
    [['--trained-to', 'yesterday'], /a time such as/],
    [['--framework', ' '], /must not be empty/],
  ])('used wrongly (%j) ends with code 2', async (options, message) => {
    const { code, stderr } = await imported(file, ...options);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
