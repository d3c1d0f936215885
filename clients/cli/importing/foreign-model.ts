import { basename, extname } from 'node:path';

/** A framework whose own files are no ONNX, and how a model of it becomes one. */
type Framework = 'PyTorch' | 'scikit-learn' | 'XGBoost' | 'LightGBM' | 'TensorFlow/Keras';

const exports: Readonly<Record<Framework, string>> = {
  PyTorch: 'torch.onnx.export(model, (example,), "model.onnx", dynamic_shapes=({0: "batch"},), external_data=False)',
  'scikit-learn': 'skl2onnx.to_onnx(model, X[:1].astype("float32"), options={id(model): {"zipmap": False}})',
  XGBoost: 'onnxmltools.convert_xgboost(model, initial_types=[("input", FloatTensorType([None, n_features]))])',
  LightGBM: 'onnxmltools.convert_lightgbm(model, initial_types=[("input", FloatTensorType([None, n_features]))], zipmap=False)',
  'TensorFlow/Keras': 'model.export("model.onnx", format="onnx"), or python -m tf2onnx.convert --saved-model <folder> --output model.onnx',
};

const everyFramework = Object.keys(exports) as Framework[];

/** What a file is that is no ONNX, and from which frameworks it can be. */
export type ForeignModel = { readonly what: string; readonly frameworks: readonly Framework[] };

const pickles: readonly Framework[] = ['scikit-learn', 'XGBoost', 'LightGBM'];
const byExtension: Readonly<Record<string, ForeignModel>> = {
  '.pt': { what: 'a PyTorch file', frameworks: ['PyTorch'] },
  '.pth': { what: 'a PyTorch file', frameworks: ['PyTorch'] },
  '.ckpt': { what: 'a PyTorch checkpoint', frameworks: ['PyTorch'] },
  '.safetensors': { what: 'weights alone (safetensors)', frameworks: ['PyTorch'] },
  '.pkl': { what: 'a pickle', frameworks: pickles },
  '.pickle': { what: 'a pickle', frameworks: pickles },
  '.joblib': { what: 'a joblib file', frameworks: pickles },
  '.skops': { what: 'a skops file', frameworks: ['scikit-learn'] },
  '.h5': { what: 'a Keras file (HDF5)', frameworks: ['TensorFlow/Keras'] },
  '.hdf5': { what: 'a Keras file (HDF5)', frameworks: ['TensorFlow/Keras'] },
  '.keras': { what: 'a Keras file', frameworks: ['TensorFlow/Keras'] },
  '.tflite': { what: 'a TensorFlow Lite file', frameworks: ['TensorFlow/Keras'] },
  '.ubj': { what: 'an XGBoost file', frameworks: ['XGBoost'] },
  '.xgb': { what: 'an XGBoost file', frameworks: ['XGBoost'] },
};
const savedModel: ForeignModel = { what: 'a SavedModel of TensorFlow', frameworks: ['TensorFlow/Keras'] };

/** An ONNX file is a ModelProto: it begins with the tag of one of its fields, most with the version of the format (08). */
const fieldsOfModelProto: ReadonlySet<number> = new Set([0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca]);

const begins = (head: Buffer, ...bytes: readonly number[]): boolean => bytes.every((byte, index) => head[index] === byte);

/** Which model of a framework this file is, by its first bytes and its name; null when it may well be ONNX. */
export function foreignModel(path: string, head: Buffer): ForeignModel | null {
  const named = byExtension[extname(path).toLowerCase()];
  if (basename(path) === 'saved_model.pb') return savedModel;
  if (begins(head, 0x89, 0x48, 0x44, 0x46)) return byExtension['.h5']!;
  if (head.subarray(4, 8).toString('latin1') === 'TFL3') return byExtension['.tflite']!;
  const text = head.toString('latin1');
  if (begins(head, 0x50, 0x4b, 0x03, 0x04)) return named ?? zipped(text);
  if (text.startsWith('tree\nversion=')) return { what: 'a LightGBM file', frameworks: ['LightGBM'] };
  if (text.startsWith('binf') || /^\{L?.{0,20}learner/s.test(text)) return byExtension['.xgb']!;
  // Protocols 2 to 5.
  if (begins(head, 0x80) && head[1]! >= 2 && head[1]! <= 5) return named ?? byExtension['.pkl']!;
  if (named === byExtension['.safetensors'] && head[8] === 0x7b) return byExtension['.safetensors']!;
  return fieldsOfModelProto.has(head[0]!) ? null : (named ?? { what: 'another kind of file', frameworks: everyFramework });
}

/** Who writes a ZIP shows in the name of its first entry. */
function zipped(text: string): ForeignModel {
  if (/^.{30}[^/]*\/(data\.pkl|version|\.format_version|byteorder|\.data\/)/s.test(text)) return byExtension['.pt']!;
  if (/^.{30}(metadata|config)\.json/s.test(text)) return byExtension['.keras']!;
  return { what: 'a ZIP archive', frameworks: ['PyTorch', 'TensorFlow/Keras'] };
}

/** What a folder is; null when it is none of a framework that is known. */
export function foreignFolder(names: readonly string[]): ForeignModel | null {
  return names.includes('saved_model.pb') ? savedModel : null;
}

/** The way out of a file that is no ONNX: how each framework writes one. */
export function exportLines(frameworks: readonly Framework[] = everyFramework): string {
  return [...frameworks.map((framework) => `  ${framework}: ${exports[framework]}`), '  More: docs/importing-models.md'].join('\n');
}
