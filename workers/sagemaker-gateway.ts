import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nvidiaSmi } from '../adapters/gpu/nvidia-smi.js';
import { createModelTrials } from '../adapters/onnx/model-trials.js';
import { folderModels } from '../adapters/serving/folder-models.js';
import { createPackageVerifier } from '../adapters/signing/package-verifier.js';
import { createGateway } from '../gateway/gateway.js';
import { runConfigured, sayReady, untilStopped } from './process.js';
import { readSageMakerConfig } from './sagemaker-config.js';

/** Name under which the only model of a container is served. */
const onlyModel = 'model';

// The online inference server as a SageMaker container: packages from folders, no Postgres, no object store.
await runConfigured('gateway', readSageMakerConfig, async (config) => {
  const log = (line: object): void => void process.stderr.write(`${JSON.stringify(line)}\n`);
  const models = folderModels({ root: config.modelFolder, unsigned: config.unsigned });
  if (config.unsigned) log({ level: 'warn', event: 'signaturesNotVerified', because: 'PERENNIAL_ALLOW_UNSIGNED=1' });
  if (!config.many) await models.add(onlyModel, config.modelFolder);
  const trials = createModelTrials({
    program: fileURLToPath(new URL('../adapters/onnx/trial-program.js', import.meta.url)),
    deviceVariables: config.driverVariables,
  });
  const gateway = createGateway({
    routes: models.routes,
    captures: models.captures,
    outcomes: models.outcomes,
    // Nothing captured leaves this process, where SageMaker captures by itself: any secret will do.
    redactionSecret: randomUUID(),
    objects: models.objects,
    trials,
    gpus: nvidiaSmi(),
    log,
    verifier: config.unsigned
      ? { verify: () => Promise.resolve({ keyId: 'none', name: 'unsigned' }) }
      : createPackageVerifier({ trustedKeys: config.trustedKeys }),
    container: { models, only: config.many ? null : onlyModel },
    config: {
      id: `gateway-${randomUUID()}`,
      host: config.host,
      port: config.port,
      folder: join(config.workFolder, 'gateway'),
      // Nobody but SageMaker reaches it, under names of its own.
      hosts: ['*'],
      ...(config.memoryBytes === null ? {} : { memoryBudgetBytes: config.memoryBytes, trialMemoryBytes: config.memoryBytes }),
      devices: config.devices,
      inferenceThread: fileURLToPath(new URL('../gateway/models/inference-thread.js', import.meta.url)),
      bodyThread: fileURLToPath(new URL('../gateway/oip/body-thread.js', import.meta.url)),
    },
  });
  const { stopping, stop } = untilStopped();
  return {
    async run() {
      await gateway.start();
      sayReady('gateway', { url: gateway.url });
      await stopping;
      await gateway.stop();
      await trials.close();
    },
    stop,
  };
});
