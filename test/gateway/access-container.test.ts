import { join } from 'node:path';
import { expect, it } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { folderModels } from '../../adapters/serving/folder-models.js';
import { writePackageFolder } from '../../adapters/serving/package-folder.js';
import { pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const file = join(stage.folder, 'keys.json');

async function addKey(name: string, models: readonly string[] | null): Promise<Record<string, string>> {
  const { key, secret } = makeGatewayKey({ name, role: 'predict', models, requestsPerSecond: null, expiresAtMs: null }, Date.now());
  await changeGatewayKeys(file, (keys) => [...keys, key]);
  return { authorization: `Bearer ${secret}`, 'content-type': 'text/csv' };
}

it("a key for other models does not reach a container's only one", async () => {
  const [own, other, all] = [await addKey('own', ['model']), await addKey('other', ['other']), await addKey('all', null)];
  const root = join(stage.folder, 'models');
  const folder = join(root, 'one', 'model');
  const pack = await stage.pack({ model: 'demand', version: '1.0.0', onnx: 'linear', example: pairs([[1, 1]]) });
  await writePackageFolder(stage.objects, pack, folder);
  const models = folderModels({ root, unsigned: false });
  await models.add('model', folder);
  const { routes, objects, captures, outcomes } = models;
  const container = { models, only: 'model' };
  const { url } = await stage.start({}, { routes, objects, captures, outcomes, container, keys: gatewayKeySource(file) });
  const invoke = async (headers: Record<string, string>) => (await post(`${url}/invocations`, '0,1,2', headers)).status;
  expect([await invoke(own), await invoke(all), await invoke(other)]).toEqual([200, 200, 403]);
});
