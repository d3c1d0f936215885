import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { ObjectStore, Route } from '../../../activities/ports.js';
import { openFileCaptureFiles } from '../../../adapters/captures/file-capture-files.js';
import { openFileObjectStore } from '../../../adapters/objects/file-object-store.js';
import { createModelTrials } from '../../../adapters/onnx/model-trials.js';
import { createPackageSigner } from '../../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../../adapters/signing/package-verifier.js';
import type { PackageFile, PackageRef, ServingSpec } from '../../../contracts/artifacts.js';
import { canonicalJson } from '../../../domain/json.js';
import type { GatewaySettings } from '../../../gateway/gateway-config.js';
import type { Gateway, GatewayDeps } from '../../../gateway/gateway.js';
import { createGateway } from '../../../gateway/gateway.js';
import type { LogLine } from '../../../gateway/log.js';
import { MemoryRegistry } from './memory-registry.js';
import { trialProgram } from './trial-program.js';

/** Features of the fixtures: two numbers of the request. */
export const twoNumbers: Omit<ServingSpec, 'model'> = {
  request: [
    { name: 'hour', datatype: 'INT64' },
    { name: 'a', datatype: 'FP64', min: -1000, max: 1000 },
    { name: 'b', datatype: 'FP64' },
  ],
  features: [
    { kind: 'input', name: 'a', column: 'a' },
    { kind: 'input', name: 'b', column: 'b' },
  ],
  eventTimeField: 'hour',
  subject: ['hour'],
  onnx: { input: 'features', output: 'prediction' },
  output: { name: 'value' },
};

/** Spec of the `mixed` fixture: the ONNX file's own tensors. */
export const passedThrough: Omit<ServingSpec, 'model'> = {
  request: [],
  features: [],
  eventTimeField: null,
  subject: [],
  onnx: { input: 'a', output: 'total' },
  output: { name: 'total' },
};

/** Spec of the `identity-…` fixtures, and of others whose tensors are x and y. */
export const identity: Omit<ServingSpec, 'model'> = { ...passedThrough, onnx: { input: 'x', output: 'y' }, output: { name: 'y' } };

/** Spec of the `every-type` fixture. */
const everyType: Omit<ServingSpec, 'model'> = { ...passedThrough, onnx: { input: 'float32', output: 'float32_out' } };
const ownTensors = (onnx: string) => (onnx === 'mixed' ? passedThrough : onnx === 'every-type' ? everyType : identity);

export type PackageSpec = {
  readonly model: string;
  readonly version: string;
  /** Name of a fixture, or a file. */
  readonly onnx: string;
  readonly spec?: Partial<ServingSpec>;
  readonly example?: unknown;
  readonly unsigned?: boolean;
};

/** A gateway's surroundings: objects in files, real signatures, a registry in memory, gateways in this process. */
export class Stage {
  readonly registry = new MemoryRegistry();
  readonly log: LogLine[] = [];
  readonly folder: string;
  readonly objects: ObjectStore;
  /** Of the key that signs this stage's packages. */
  readonly publicKeyPem: string;
  readonly #signer;
  readonly #verifier;
  readonly #gateways: Gateway[] = [];
  readonly #trials = createModelTrials({ program: trialProgram() });

  constructor(folder: string, objects: ObjectStore) {
    this.folder = folder;
    this.objects = objects;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    this.#signer = createPackageSigner(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    this.publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    this.#verifier = createPackageVerifier({ trustedKeys: [this.publicKeyPem] });
  }

  /** Stores, signs and registers a package. */
  async addVersion(spec: PackageSpec): Promise<PackageRef> {
    const pack = await this.pack(spec);
    this.registry.register({ model: spec.model, version: spec.version, package: pack });
    return pack;
  }

  /** The same, and every request of its model goes to it. */
  async addLive(spec: PackageSpec): Promise<Route> {
    await this.addVersion(spec);
    return this.registry.setRoute({ model: spec.model, variants: [{ version: spec.version, weight: 1 }] });
  }

  /** A live version of a fixture under its own name, which takes and answers the ONNX file's own tensors. */
  addFixture(onnx: string, version = '1.0.0'): Promise<Route> {
    return this.addLive({ model: onnx, version, onnx, spec: ownTensors(onnx) });
  }

  /** Stores and signs a package. */
  async pack(spec: PackageSpec): Promise<PackageRef> {
    const onnx = spec.onnx.includes('/') ? spec.onnx : new URL(`../fixtures/${spec.onnx}.onnx`, import.meta.url);
    const serving: ServingSpec = { model: spec.model, ...twoNumbers, ...spec.spec };
    const contents: Record<string, Uint8Array> = {
      'model.onnx': await readFile(onnx),
      'serving.json': Buffer.from(JSON.stringify(serving)),
    };
    if (spec.example !== undefined) contents['input-example.json'] = Buffer.from(JSON.stringify(spec.example));
    const files: PackageFile[] = [];
    for (const path of Object.keys(contents).sort()) {
      const { digest, bytes } = await this.objects.put(contents[path]!, 'application/octet-stream');
      files.push({ path, digest, bytes });
    }
    const digest = `sha256:${createHash('sha256').update(canonicalJson(files)).digest('hex')}`;
    if (spec.unsigned === true) return { digest, files };
    const signature = await this.objects.put(await this.#signer.sign({ name: spec.model, files }), 'application/json');
    return { digest, files, signature };
  }

  /** Registers versions and a route that gives everything to the first, and starts a gateway on it. */
  async serve(versions: readonly PackageSpec[], route: Partial<Route> = {}, settings: Partial<GatewaySettings> = {}): Promise<Gateway> {
    for (const version of versions) await this.addVersion(version);
    const { model, version } = versions[0]!;
    this.registry.setRoute({ model, variants: [{ version, weight: 1 }], ...route });
    return this.start(settings);
  }

  /** Starts a gateway, on the registry in memory unless other stores are given. */
  async start(settings: Partial<GatewaySettings> = {}, stores: Partial<Omit<GatewayDeps, 'config' | 'log'>> = {}): Promise<Gateway> {
    const { routes, captures, outcomes } = this.registry;
    const gateway = createGateway({
      routes,
      captures,
      outcomes,
      objects: this.objects,
      verifier: this.#verifier,
      trials: this.#trials,
      captureFiles: openFileCaptureFiles(join(this.folder, 'captured')),
      redactionSecret: 'the secret of this stage',
      ...stores,
      config: {
        id: `gateway-${this.#gateways.length}`,
        host: '127.0.0.1',
        port: 0,
        folder: join(this.folder, 'gateway'),
        captureEveryMs: 10,
        drainNoticeMs: 0,
        // The callers and the gateway are one thread here: that it is busy says nothing.
        captureBusyAfterMs: Infinity,
        ...settings,
      },
      log: (line) => this.log.push(line),
    });
    await gateway.start();
    this.#gateways.push(gateway);
    return gateway;
  }

  async close(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
    await this.#trials.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A stage that ends with the test file. */
export async function openStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-gateway-'));
  const stage = new Stage(folder, await openFileObjectStore(join(folder, 'objects')));
  afterAll(() => stage.close());
  return stage;
}
