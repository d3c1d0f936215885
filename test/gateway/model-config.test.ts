import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { defaultPriority } from '../../gateway/models/batcher.js';
import { GrpcClient } from './support/grpc-client.js';
import { get } from './support/requests.js';
import { openStage } from './support/stage.js';

type Config = {
  readonly instance_group: readonly { readonly count: number; readonly kind: string }[];
  readonly dynamic_batching: { readonly priority_levels: number; readonly default_priority_level: number };
};
type Told = { readonly loaded: readonly { readonly version: string; readonly placement: string; readonly threads: number }[] };

const config = async ({ url }: Gateway, version: string): Promise<Config> =>
  (await get<Config>(`${url}/v2/models/demand/versions/${version}/config`)).body;

describe("a version's ModelConfig", () => {
  it('tells as many instances as there are threads with a copy, and one where it runs in place', async () => {
    const stage = await openStage();
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'slow' });
    const gateway = await stage.serve(
      [{ model: 'demand', version: '1.0.0', onnx: 'linear' }],
      { standby: ['1.0.1'] },
      { maxThreads: 3, grpcPort: 0 },
    );
    const { loaded } = (await get<Told>(`${gateway.url}/v2/models/demand/route`)).body;
    const threads = Object.fromEntries(loaded.map(({ version, ...of }) => [version, of]));
    expect(threads).toMatchObject({ '1.0.0': { placement: 'inPlace', threads: 0 }, '1.0.1': { placement: 'thread', threads: 3 } });
    expect((await config(gateway, '1.0.0')).instance_group).toMatchObject([{ count: 1, kind: 'KIND_CPU' }]);
    expect((await config(gateway, '1.0.1')).instance_group).toMatchObject([{ count: 3, kind: 'KIND_CPU' }]);
    const { config: told } = await new GrpcClient(gateway.grpcAddress).call('ModelConfig', { name: 'demand', version: '1.0.1' });
    expect(told).toMatchObject({
      instance_group: [{ count: 3 }],
      dynamic_batching: { priority_levels: String(Number.MAX_SAFE_INTEGER), default_priority_level: String(defaultPriority) },
    });
  });

  it('tells the levels of priority that requests have: any whole number, and the one of those that say nothing', async () => {
    const gateway = await (await openStage()).serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    expect((await config(gateway, '1.0.0')).dynamic_batching).toMatchObject({ priority_levels: 2 ** 53 - 1, default_priority_level: 100 });
    expect((await get<{ extensions: string[] }>(`${gateway.url}/v2`)).body.extensions).toContain('schedule_policy');
  });
});
