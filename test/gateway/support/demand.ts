import type { GatewaySettings } from '../../../gateway/gateway-config.js';
import type { Gateway } from '../../../gateway/gateway.js';
import { pairs } from './requests.js';
import type { PackageSpec, Stage } from './stage.js';

/** A floor below its answers, and an example of its requests, for the live version of `demand`. */
export const bounded: Partial<PackageSpec> = { spec: { output: { name: 'value', min: 0 } }, example: pairs([[1, 1]]) };

/** Starts a gateway for `demand`: 1.0.0 is live and answers a + 10 b, 1.0.1 stands by and answers a thousand more. */
export function serveDemand(stage: Stage, settings: Partial<GatewaySettings> = {}, live: Partial<PackageSpec> = {}): Promise<Gateway> {
  const versions: PackageSpec[] = [
    { model: 'demand', version: '1.0.0', onnx: 'linear', ...live },
    { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
  ];
  return stage.serve(versions, { standby: ['1.0.1'] }, settings);
}
